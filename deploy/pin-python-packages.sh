#!/bin/sh
# Pins the current version of everything the project depends on, and of what builds it, in constraints.txt:
#   deploy/pin-python-packages.sh PYTHON
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$(dirname "$0")/make-venv.sh" "$1" "$scratch/venv"
python=$scratch/venv/bin/python
"$python" -m pip install --quiet --upgrade setuptools
"$python" -m pip install --quiet --no-build-isolation --editable '.[dev]'
{
    echo '# Every package, at the version the project is tested with. `make constraints` renews this file.'
    "$python" -m pip freeze --all --exclude pip --exclude-editable
} >"$scratch/constraints.txt"
if grep -n '://' "$scratch/constraints.txt" >&2; then
    echo 'error: these packages came from an address instead of a registry' >&2
    exit 1
fi
cp "$scratch/constraints.txt" constraints.txt
