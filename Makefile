# Every command of the project; CI runs only these. `make help` lists them.
#
# PYTHON names the interpreter (3.11 or later) that .venv is made from: make build PYTHON=python3.13

PYTHON ?= python3
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
RESULTS := build/results
# One at a time: targets that run beside each other (make --jobs) have the same environment to install into.
PIP = flock $(VENV) $(BIN)/python -m pip install -q --disable-pip-version-check
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
GRPCURL_VERSION := v1.9.3

# Cargo must build for the interpreter of .venv, and a test binary must find its libpython, which pyenv keeps off the system's paths.
# The packages of .venv (asyncio aside, tests use Django and grpcio) are not on the path of an embedded interpreter by themselves.
RUST_ENV = PYO3_PYTHON="$(abspath $(BIN))/python" \
	$(shell $(BIN)/python -c 'import sysconfig; \
	print("LD_LIBRARY_PATH=" + sysconfig.get_config_var("LIBDIR")); \
	print("PYTHONPATH=" + sysconfig.get_path("purelib"))')

WHEEL_SOURCES := Cargo.toml Cargo.lock pyproject.toml \
	$(shell find crates python -type f -not -path '*/__pycache__/*' -not -path '*/tests/*' -not -name '*.so')
# Most of a test is waiting, so there are half as many again as processors. The tests of a file stay together, since they share servers.
PARALLEL := --numprocesses=$(shell echo $$(($$(nproc) * 3 / 2))) --dist=loadfile
PROTOS := $(shell find demo/proto -name '*.proto')
BINDINGS := demo/shop/v1/shop_pb2_grpc.py

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

# ---- building

.PHONY: build
build: $(VENV)/.wheel $(BINDINGS) ## Make .venv with the wheel, in release mode, and what the demo needs

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build: requirements/build.txt demo/requirements.txt | $(BIN)/python
	$(PIP) -r requirements/build.txt -r demo/requirements.txt
	@touch $@

# A file of it. While the registry cannot be reached it is not there, and is asked for by every build.
SWAGGER_UI := python/narthex/openapi_page/swagger-ui/swagger-ui-bundle.js

$(SWAGGER_UI): scripts/swagger_ui.py | $(BIN)/python
	@$(BIN)/python scripts/swagger_ui.py

$(VENV)/.wheel: $(VENV)/.build $(WHEEL_SOURCES) $(SWAGGER_UI)
	rm -rf dist
	$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out dist
	$(PIP) "$$(ls dist/narthex-*.whl)[grpc]"
	$(PIP) --force-reinstall --no-deps dist/narthex-*.whl
	@touch $@

.PHONY: wheel
wheel: $(SWAGGER_UI) ## Build the wheel as it is published, optimised by a profile of its own load, into build/wheels; a quarter of an hour
	@"$(PYTHON)" scripts/wheel.py --tools
	@bench/load_generators.sh
	@made=$$(bench/environment.sh "$(PYTHON)"); \
	mkdir -p build/wheels; cp -v "$$made"/wheels/profile-guided/*.whl build/wheels/

.PHONY: protos
protos: $(BINDINGS) ## Compile the demo's protos into its app

$(BINDINGS): $(PROTOS) demo/proto/compile.py $(VENV)/.build
	$(BIN)/python demo/proto/compile.py
	@touch $@

BROWSER_PAGE := demo/shop/static/shop/browser.js

.PHONY: browser-page
browser-page: $(BROWSER_PAGE) ## Bundle the script of the demo's page /browser, where there is npm

$(BROWSER_PAGE): $(PROTOS) $(wildcard demo/browser/*.js*) demo/browser/build.sh $(VENV)/.build
	@demo/browser/build.sh "$(abspath $(BIN))/python"

# ---- running

.PHONY: demo
demo: build ## Serve the demo on 127.0.0.1:8080, with a fresh admin password
	@$(BIN)/python demo/serve.py

.PHONY: envoy
envoy: build $(VENV)/.test ## Serve the demo on 127.0.0.1:8080 behind a real Envoy
	@$(BIN)/python demo/serve.py --envoy

# ---- checking

.PHONY: test
test: test-rust test-examples test-python ## Run every test, Rust and Python
	@$(BIN)/python scripts/not_run.py $(RESULTS)

.PHONY: test-rust
test-rust: $(VENV)/.build $(VENV)/.test ## Run the tests of the crates
	@mkdir -p $(RESULTS)
	$(RUST_ENV) cargo test --workspace --locked 2>&1 | tee $(RESULTS)/cargo.log

# Workspaces of their own, since what they depend on is none of Narthex's business.
.PHONY: test-examples
test-examples: ## Run the tests of examples/
	@mkdir -p $(RESULTS)
	CARGO_TARGET_DIR=target/examples cargo test --manifest-path examples/tonic-json/Cargo.toml --locked 2>&1 | tee $(RESULTS)/examples.log

.PHONY: test-python
test-python: build $(VENV)/.test $(TOOLS)/bin/grpcurl browser ## Run the Python tests: the package's, and the demo's end to end, direct and through Envoy
	@mkdir -p $(RESULTS)
	$(BIN)/python -m pytest tests $(PARALLEL) --junitxml=$(RESULTS)/tests.xml
	$(BIN)/python -m pytest demo/tests --junitxml=$(RESULTS)/demo.xml

# SKIP_DEFAULT=1 leaves out the one that .venv is made from, which `make test` has tested.
# NEWEST=1 takes the newest of the rest alone, as CI does, and lists the others as left out.
.PHONY: test-pythons
test-pythons: ## Run the Python tests, and those of the crates that link Python, on every CPython of this machine from 3.11 on
	$(PYTHON) scripts/pythons.py $(if $(SKIP_DEFAULT),--skip $(PYTHON)) $(if $(NEWEST),--newest) -- $(PARALLEL) $(ARGS)

$(VENV)/.test: requirements/test.txt requirements/e2e.txt $(VENV)/.build
	$(PIP) -r requirements/test.txt -r requirements/e2e.txt
	@touch $@

.PHONY: stress
stress: build $(VENV)/.stress ## Prove the runtime under load, in about five minutes or MINUTES=120; SCENARIO="mixed idle", SEED=7
	@scripts/databases.sh
	@$(BIN)/python -m stress $(SCENARIO) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

$(VENV)/.stress: requirements/stress.txt $(VENV)/.test
	$(PIP) -r requirements/stress.txt
	@touch $@

.PHONY: browser
browser: ## Install Chromium for the browser tests, where that is allowed
	@scripts/chromium.sh

# Without Go the tests that use it are listed as not run.
$(TOOLS)/bin/grpcurl:
	@mkdir -p $(TOOLS)/bin
	@if command -v go > /dev/null; then \
		GOBIN="$(abspath $(TOOLS))/bin" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION); \
	else \
		echo "There is no Go to build grpcurl with; its tests will be listed as not run."; \
	fi

.PHONY: sanitize
sanitize: ## Run the reactor's tests under loom, ThreadSanitizer and Miri, those of them that can be had
	@$(PYTHON) scripts/sanitize.py $(RESULTS)

SECONDS ?= 60

.PHONY: fuzz
fuzz: $(TOOLS)/bin/cargo-fuzz ## Fuzz what reads bytes from strangers, each target for SECONDS=60; TARGETS="http_body" some of them
	@$(PYTHON) scripts/fuzz.py --seconds $(SECONDS) $(TARGETS)

$(TOOLS)/bin/cargo-fuzz:
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --debug --locked --root $(TOOLS)

.PHONY: lint
lint: lint-rust lint-python ## Check format, lints, types and dependency rules

.PHONY: lint-rust
lint-rust: $(VENV)/.build $(TOOLS)/bin/cargo-deny ## rustfmt, clippy, rustdoc and cargo-deny
	cargo fmt --all --check
	cargo fmt --manifest-path examples/tonic-json/Cargo.toml --check
	cargo fmt --manifest-path bench/tonic/Cargo.toml --check
	$(RUST_ENV) cargo clippy --workspace --all-targets --features narthex-fuzz/targets --locked -- -D warnings
	$(RUST_ENV) RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --locked --quiet
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources

.PHONY: lint-python
lint-python: build $(VENV)/.lint ## ruff, pyright, and the native module's stub against the module
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	cd $(VENV) && bin/python -m mypy.stubtest narthex._native

$(VENV)/.lint: requirements/lint.txt $(VENV)/.test
	$(PIP) -r requirements/lint.txt
	@touch $@

$(TOOLS)/bin/cargo-deny:
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version $(CARGO_DENY_VERSION) --debug --locked --root $(TOOLS)

.PHONY: fmt
fmt: $(VENV)/.lint ## Format everything, and fix what the linters can
	cargo fmt --all
	cargo fmt --manifest-path examples/tonic-json/Cargo.toml
	cargo fmt --manifest-path bench/tonic/Cargo.toml
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# ---- judging

# LIBRARY=grpc lets grpc's own server stand in for ours: what fails with both is the judge's fault.
NODE_CLIENTS := judges/clients/node_modules
PROTOBUF_RUNNER := judges/protojson/node_modules
GOOGLE_APIS := judges/googleapis/node_modules
JUDGE = @mkdir -p $(RESULTS)/judges; \
	$(BIN)/python -m pytest judges/$(1) $(if $(LIBRARY),--library $(LIBRARY)) $(ARGS) --junitxml=$(RESULTS)/judges/$(1).xml

.PHONY: judge
judge: judge-connect judge-interop judge-clients judge-protojson judge-transcode judge-googleapis ## Have all of the judges judge
	@$(BIN)/python scripts/not_run.py $(RESULTS)/judges

.PHONY: judge-connect
judge-connect: build $(VENV)/.test $(TOOLS)/judges ## Have connectrpc's conformance suite judge gRPC, gRPC-Web and Connect
	$(call JUDGE,connect)

.PHONY: judge-transcode
judge-transcode: build $(VENV)/.test ## Have the conformance cases judge the JSON API, ours and, for what they say of it, a real Envoy's
	@mkdir -p $(RESULTS)/judges
	$(BIN)/python -m pytest judges/transcode $(ARGS) --junitxml=$(RESULTS)/judges/transcode.xml

.PHONY: judge-interop
judge-interop: build $(VENV)/.test $(TOOLS)/judges ## Have gRPC's interop cases judge gRPC, by the clients of grpc-go and grpcio
	$(call JUDGE,interop)

.PHONY: judge-clients
judge-clients: build $(VENV)/.test $(TOOLS)/judges $(TOOLS)/bin/grpcurl $(NODE_CLIENTS) $(BROWSER_PAGE) browser ## Have the clients of other languages judge, and browsers
	$(call JUDGE,clients)

.PHONY: judge-protojson
judge-protojson: $(VENV)/.build $(VENV)/.test $(PROTOBUF_RUNNER) $(TOOLS)/debian-13 ## Have protobuf's own conformance suite judge the JSON codec
	cargo build --locked -p narthex-protojson --example conformance
	$(call JUDGE,protojson)

.PHONY: judge-googleapis
judge-googleapis: build $(VENV)/.test $(GOOGLE_APIS) ## Have Google's own APIs judge what is made of .proto files
	cargo build --locked -p narthex-protojson --example conformance
	$(call JUDGE,googleapis)

$(GOOGLE_APIS): judges/googleapis/package.json judges/googleapis/package-lock.json
	@if command -v npm > /dev/null; then \
		npm ci --prefix judges/googleapis --no-audit --no-fund --ignore-scripts --loglevel=error && touch $@; \
	else \
		echo "There is no npm to get Google's APIs with; what they judge will be listed as not run."; \
	fi

$(PROTOBUF_RUNNER): judges/protojson/package.json judges/protojson/package-lock.json
	@if command -v npm > /dev/null; then \
		npm ci --prefix judges/protojson --no-audit --no-fund --ignore-scripts --loglevel=error && touch $@; \
	else \
		echo "There is no npm to get protobuf's conformance runner with; what it judges will be listed as not run."; \
	fi

$(TOOLS)/debian-13: judges/protojson/libraries.sh
	@judges/protojson/libraries.sh "$@"

$(NODE_CLIENTS): judges/clients/package.json judges/clients/package-lock.json
	@if command -v npm > /dev/null; then \
		npm ci --prefix judges/clients --no-audit --no-fund --ignore-scripts --loglevel=error && touch $@; \
	else \
		echo "There is no npm to get grpc-js with; its tests will be listed as not run."; \
	fi

# Without Go these programs are not there, and what needs them is listed as not run.
$(TOOLS)/judges: judges/go/go.mod judges/go/go.sum $(wildcard judges/go/*/*.go)
	@if command -v go > /dev/null; then \
		mkdir -p $@ && go build -C judges/go -ldflags="-s -w" -o "$(abspath $@)/" tool ./descriptors && touch $@; \
	else \
		echo "There is no Go to build the judges with; what they judge will be listed as not run."; \
	fi

# ---- measuring

.PHONY: bench
bench: $(SWAGGER_UI) ## Measure Narthex beside its rivals, SCENARIO="raw-h1 grpc" some of it, PLAIN=1 without profile; bench/README.md has the method
	@bench/load_generators.sh
	@bench/run.sh "$(PYTHON)" bench $(SCENARIO) $(ARGS)

.PHONY: bench-instructions
bench-instructions: ## Count the instructions that a request costs, by callgrind
	@bench/run.sh "$(PYTHON)" bench.instructions

.PHONY: clean
clean: ## Remove all that the other targets made
	rm -rf $(VENV) $(TOOLS) dist build target demo/run demo/shop/v1/*_pb2*.py* $(NODE_CLIENTS) $(PROTOBUF_RUNNER) $(GOOGLE_APIS) demo/browser/{node_modules,generated} demo/shop/static $(dir $(SWAGGER_UI))
