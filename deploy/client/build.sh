#!/bin/sh
# Builds the wheel of the typed client, perps_dma, out of schemas/:  deploy/client/build.sh PYTHON FOLDER
# From a copy: setuptools leaves what it builds beside the sources.
set -eu

python=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/deploy"
cp -R "$here" "$copy/deploy/client"
cp -R "$here/../../schemas" "$copy/schemas"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$folder" "$copy/deploy/client"
