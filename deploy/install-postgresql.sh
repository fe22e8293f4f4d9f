#!/bin/sh
# Installs the distribution's PostgreSQL, from which the tests start a private server. Does nothing where it is installed.
set -eu

for server in /usr/lib/postgresql/*/bin/postgres; do
    [ ! -x "$server" ] || exit 0
done
! command -v initdb >/dev/null || exit 0
exec "$(dirname "$0")/install-packages.sh" postgresql
