#!/usr/bin/env bash
# Makes sure there is a Chromium for the browser tests; says what to install where it may not do so itself.
# Never fails: without one those tests are skipped, and listed as not run.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    exit 0
  fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing chromium, for the browser tests"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if apt-get update -qq >"$log" 2>&1 && apt-get install -y -qq --no-install-recommends chromium >>"$log" 2>&1; then
    rm "$log"
    exit 0
  fi
  tail -n 5 "$log"
fi
echo "There is no Chromium: the browser tests will be listed as not run. On Debian, install it by: apt-get install chromium"
