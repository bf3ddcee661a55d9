#!/usr/bin/env bash
# Puts the C and C++ libraries that the conformance runner was linked with (glibc 2.38) into a folder, where those of this machine are
# older: from Debian 13, checked by apt with Debian's own key. Never fails: without them the judge is listed as not run.
set -euo pipefail

folder=$(realpath -m "$1")
rm -rf "$folder"
mkdir -p "$folder"
have=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2 || true)
if [ "$(printf '%s\n' 2.38 "${have:-0}" | sort -V | head -n 1)" = 2.38 ]; then
  exit 0
fi

key=/usr/share/keyrings/debian-archive-keyring.gpg
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null || [ ! -e "$key" ]; then
  echo "The conformance runner needs glibc 2.38, and there is no apt-get to get it with: what it judges will be listed as not run."
  exit 0
fi
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
echo "deb [signed-by=$key] http://deb.debian.org/debian trixie main" >"$apt/sources.list"
options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::status=/dev/null
  -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt")
log=$apt/log
if ! { apt-get "${options[@]}" update -qq && cd "$apt/archives" &&
  apt-get "${options[@]}" download -qq libc6 libstdc++6 libgcc-s1; } >"$log" 2>&1; then
  tail -n 5 "$log"
  echo "Debian's libraries could not be had: what the conformance runner judges will be listed as not run."
  exit 0
fi
for package in *.deb; do
  dpkg -x "$package" "$folder"
done
