#!/usr/bin/env bash
# Makes the script of the page /browser: code from the protos by protoc-gen-es, all of it in one file by esbuild.
set -euo pipefail
cd "$(dirname "$0")"
python=$1

if ! command -v npm > /dev/null; then
  echo "There is no npm to bundle the demo's browser page with; its tests will be listed as not run."
  exit 0
fi
# The packages are data and programs as they are: no package runs a script of its own at installation.
npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
common_protos=$("$python" -c 'import google.api, pathlib; print(pathlib.Path(google.api.__path__[0]).parents[1])')
mkdir -p generated
"$python" -m grpc_tools.protoc -I../proto -I../../crates/narthex-services/proto -I"$common_protos" \
  --plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es --es_out=generated \
  shop/v1/shop.proto grpc/health/v1/health.proto google/api/{annotations,http}.proto google/rpc/{status,error_details}.proto
node_modules/.bin/esbuild main.js --bundle --minify --format=esm --target=es2022 --log-level=warning \
  --outfile=../shop/static/shop/browser.js
