#!/usr/bin/env bash
# Makes sure there are a PostgreSQL and a Redis for the stress runs; says what to install where it may not do so itself.
# Never fails: without PostgreSQL its drivers are listed as not run, without Redis its driver talks to fakeredis.
set -euo pipefail

missing=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing ${missing[*]}, for the stress runs"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if apt-get update -qq >"$log" 2>&1 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    rm "$log"
    exit 0
  fi
  tail -n 5 "$log"
fi
echo "Not here: ${missing[*]}. On Debian, install them by: apt-get install ${missing[*]}"
