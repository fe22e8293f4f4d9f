#!/bin/sh
# Installs promtool, with which the tests check rules and configuration of Prometheus. Does nothing where it is installed.
set -eu

! command -v promtool >/dev/null || exit 0
exec "$(dirname "$0")/install-packages.sh" prometheus
