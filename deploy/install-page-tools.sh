#!/bin/sh
# Installs what the pages' commands use beside ours, on which the tests run them. Does nothing where it is installed.
set -eu

for tool in curl jq; do
    command -v "$tool" >/dev/null || set -- "$@" "$tool"
done
[ $# -eq 0 ] || exec "$(dirname "$0")/install-packages.sh" "$@"
