#!/bin/sh
# Makes the virtual environment:  deploy/make-venv.sh PYTHON FOLDER
# Debian keeps the part of Python that does it in a package of its own, which is installed if need be.
set -eu

python=$1
folder=$2
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || {
    echo "error: there is no $python; install Python 3.11 or later, or name yours with PYTHON=" >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $python is Python $version; 3.11 or later is needed, name one with PYTHON=" >&2
    exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || "$(dirname "$0")/install-packages.sh" "python$version-venv"
"$python" -m venv --clear "$folder"
