#!/bin/sh
# Installs the distribution's PostgreSQL and pgbouncer, which the tests start for themselves. Does nothing where they are.
set -eu

has_postgresql() {
    for server in /usr/lib/postgresql/*/bin/postgres; do
        [ ! -x "$server" ] || return 0
    done
    command -v initdb >/dev/null
}

set --
has_postgresql || set -- postgresql
[ -x /usr/sbin/pgbouncer ] || set -- "$@" pgbouncer
[ $# = 0 ] || exec "$(dirname "$0")/install-packages.sh" "$@"
