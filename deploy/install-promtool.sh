#!/bin/sh
# Installs Prometheus with promtool, on which the tests try rules and dashboard. Does nothing where it is installed.
set -eu

! command -v promtool >/dev/null || exit 0
exec "$(dirname "$0")/install-packages.sh" prometheus
