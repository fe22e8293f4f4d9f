#!/bin/sh
# Installs Apache Qpid Proton for Debian's Python, with which the tests speak AMQP 1.0. Does nothing where it is there.
set -eu

! /usr/bin/python3 -c 'import proton' 2>/dev/null || exit 0
exec "$(dirname "$0")/install-packages.sh" python3 python3-qpid-proton
