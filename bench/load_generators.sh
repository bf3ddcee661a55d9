#!/usr/bin/env bash
# Makes sure that there are wrk and h2load; installs them from Debian where that is allowed, else says what to install.
set -euo pipefail

if command -v wrk >/dev/null && command -v h2load >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing wrk and nghttp2-client, the load generators"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if apt-get update -qq >"$log" 2>&1 && apt-get install -y -qq --no-install-recommends wrk nghttp2-client >>"$log" 2>&1; then
    rm "$log"
    exit 0
  fi
  tail -n 5 "$log"
fi
echo "wrk or h2load is missing. On Debian, install them by: apt-get install wrk nghttp2-client" >&2
exit 1
