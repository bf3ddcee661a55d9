#!/usr/bin/env bash
# environment.sh PYTHON [plain]: makes build/bench/<interpreter>, an environment with Narthex's wheel as it is published, or a plain
# release build of it, and the rivals; pyvoy has its own inside. Prints that folder; all else goes to standard error.
#
# narthex-wheel in it says which wheel it has: a plain one too where the tools that a profile needs cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 3>&1 >&2

python=$1
kind=${2:-profile-guided}
"$python" -c 'import sys; sys.exit("Python 3.11 or later is needed: make bench PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
name=$("$python" -c 'import sys; print("%s-%d.%d" % (sys.implementation.name, *sys.version_info[:2]))')
venv=build/bench/$name
pip() { "$1/bin/python" -m pip install -q --disable-pip-version-check "${@:2}"; }

rivals=$venv/.rivals
named=(bench/requirements.txt bench/requirements-pyvoy.txt requirements/build.txt requirements/test.txt)
if [ ! -e "$rivals" ] || [ -n "$(find "${named[@]}" -newer "$rivals")" ]; then
  echo "Installing the rivals into $venv"
  "$python" -m venv "$venv"
  pip "$venv" -r requirements/build.txt -r requirements/test.txt -r bench/requirements.txt
  "$python" -m venv "$venv/pyvoy"
  pip "$venv/pyvoy" -r bench/requirements-pyvoy.txt
  touch "$rivals"
fi

if [ "$kind" != plain ] && ! "$python" scripts/wheel.py --tools; then kind=plain; fi
wheel=$venv/wheels/$kind
built=$wheel/.built
# The load but for its list is not among them: what is hot changes little with it.
sources=(Cargo.toml Cargo.lock rust-toolchain.toml pyproject.toml crates python)
if [ "$kind" != plain ]; then sources+=(scripts/wheel.py bench/training.py); fi
if [ ! -e "$built" ] || [ -n "$(find "${sources[@]}" -type f -newer "$built" -not -path '*/__pycache__/*' -not -path '*/tests/*' -not -name '*.so' -print -quit)" ]; then
  echo "Building Narthex for $name, $kind"
  started=$(mktemp)
  if [ "$kind" = plain ]; then how=(--plain); else how=(); fi
  "$python" scripts/wheel.py "${how[@]}" "$venv" "$wheel"
  # As old as the beginning: what was changed meanwhile is built the next time.
  mv "$started" "$built"
fi

pip "$venv" --force-reinstall --no-deps "$wheel"/narthex-*.whl
echo "$kind" > "$venv/narthex-wheel"
echo "$venv" >&3
