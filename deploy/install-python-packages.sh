#!/bin/sh
# Installs the project and what it depends on, at the pinned versions:  deploy/install-python-packages.sh PYTHON [EXTRA]
# setuptools, which builds the project, comes first so that it too is the pinned one and nothing else is fetched.
set -eu

python=$1
extra=${2:-}
export PIP_DISABLE_PIP_VERSION_CHECK=1
echo "installing the pinned Python packages${extra:+ and those of $extra}"
"$python" -m pip install --quiet --constraint constraints.txt setuptools
"$python" -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".${extra:+[$extra]}"
"$python" -m compileall -q schemas worker
