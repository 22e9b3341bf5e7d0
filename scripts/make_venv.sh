#!/usr/bin/env bash
# Make a virtual environment with the project and its development tools in it.
# usage: make_venv.sh PYTHON FOLDER [EXTRA]    EXTRA: of the project's, default dev
set -euo pipefail
python=$1
folder=$2
extra=${3:-dev}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "alexobs needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1 || echo missing)." >&2
  echo "Name another one: make PYTHON=/path/to/python3.11 …" >&2
  exit 2
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  # Debian ships the venv module in a package of its own.
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq "python$version-venv" >/dev/null
  else
    echo "Python's venv module is missing. On Debian: sudo apt-get install python$version-venv" >&2
    exit 2
  fi
fi
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
what=$([ "$extra" = dev ] && echo "its development tools" || echo "what the $extra needs")
echo "Installing alexobs and $what into $folder …" >&2
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
  --constraint constraints.txt --editable ".[$extra]"
