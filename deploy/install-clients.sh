#!/bin/sh
# Installs programs of others that a suite tries against ours:  deploy/install-clients.sh PYTHON SUITE FOLDER
# What tests/SUITE/requirements.txt names goes into a virtual environment of its own, what its package.json names beside it.
set -eu

python=$1
suite=$2
folder=$3
here=$(cd "$(dirname "$0")/.." && pwd)
asked=$(cat "$here/tests/$suite/requirements.txt" "$here/tests/$suite/package.json")
! [ -f "$folder/installed" ] || [ "$asked" != "$(cat "$folder/installed")" ] || exit 0
echo "installing what tests/$suite tries"
case $asked in *openapi-generator-cli*) # a Java program
    command -v java >/dev/null || "$here/deploy/install-packages.sh" default-jre-headless ;;
esac
command -v npm >/dev/null || "$here/deploy/install-packages.sh" nodejs npm
rm -rf "$folder"
"$here/deploy/make-venv.sh" "$python" "$folder/python"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$folder/python/bin/pip" install --quiet -r "$here/tests/$suite/requirements.txt"
mkdir -p "$folder/npm"
cp "$here/tests/$suite/package.json" "$folder/npm/"
npm install --prefix "$folder/npm" --no-fund --no-audit --no-package-lock --ignore-scripts --loglevel error
printf '%s\n' "$asked" >"$folder/installed"
