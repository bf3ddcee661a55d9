#!/usr/bin/env bash
# run.sh PYTHON MODULE [ARGUMENT ...]: runs a module of bench with everything it needs, all of it made for this interpreter.
#
# PLAIN=1 measures a plain release build, which takes half the time to make.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$1
module=$2
shift 2

kind=()
# No two profiles are alike, and counts are to be comparable from build to build.
if [ -n "${PLAIN:-}" ] || [ "$module" = bench.instructions ]; then kind=(plain); fi
venv=$(bench/environment.sh "$python" "${kind[@]}")

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
