#!/usr/bin/env bash
# run.sh PYTHON MODULE [ARGUMENT ...]: runs a module of bench with everything it needs, all of it made for this interpreter.
#
# build/bench/<interpreter> is an environment with Narthex's wheel, in release mode, and the rivals; pyvoy has its own inside.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$1
module=$2
shift 2
"$python" -c 'import sys; sys.exit("Python 3.11 or later is needed: make bench PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
name=$("$python" -c 'import sys; print("%s-%d.%d" % (sys.implementation.name, *sys.version_info[:2]))')
venv=build/bench/$name
pip() { "$1/bin/python" -m pip install -q --disable-pip-version-check "${@:2}"; }

rivals=$venv/.rivals
if [ ! -e "$rivals" ] || [ -n "$(find bench/requirements.txt bench/requirements-pyvoy.txt requirements/build.txt -newer "$rivals")" ]; then
  echo "Installing the rivals into $venv"
  "$python" -m venv "$venv"
  pip "$venv" -r requirements/build.txt -r bench/requirements.txt
  "$python" -m venv "$venv/pyvoy"
  pip "$venv/pyvoy" -r bench/requirements-pyvoy.txt
  touch "$rivals"
fi

wheel=$venv/.wheel
sources=(Cargo.toml Cargo.lock pyproject.toml crates python)
if [ ! -e "$wheel" ] || [ -n "$(find "${sources[@]}" -type f -newer "$wheel" -not -path '*/__pycache__/*' -not -path '*/tests/*' -print -quit)" ]; then
  echo "Building Narthex for $name"
  rm -rf "$venv/dist"
  started=$(mktemp)
  # Of its own: for another interpreter Cargo would build again what `make build` has built, and the other way round.
  export CARGO_TARGET_DIR=$venv/target
  "$venv/bin/maturin" build --release --locked --interpreter "$venv/bin/python" --out "$venv/dist"
  pip "$venv" --force-reinstall --no-deps "$venv"/dist/narthex-*.whl
  # As old as the beginning: what was changed meanwhile is built the next time.
  mv "$started" "$wheel"
fi

# These take minutes to build: not for scenarios that have no use for them.
named=$(printf '%s\n' "$@" | grep -E '^(raw|echo|stream|round|grpc|connect|json|http|health|latency|start)' || true)
if [ "$module" = bench ] && { [ -z "$named" ] || grep -q tonic <<< "$named"; }; then
  CARGO_TARGET_DIR=build/bench/tonic cargo build -q --release --locked --manifest-path bench/tonic/Cargo.toml
  proxy=8.1.5
  if [ "$(build/bench/bin/structured-proxy --version 2>/dev/null)" != "structured-proxy $proxy" ]; then
    echo "Building structured-proxy $proxy"
    # It asks for a newer Rust than it needs, and its lock file for versions that the registry does not have.
    cargo install -q structured-proxy@$proxy --features cli --ignore-rust-version --root build/bench --target-dir build/bench/structured-proxy
    rm -rf build/bench/structured-proxy
  fi
fi

exec "$venv/bin/python" -m "$module" "$@"
