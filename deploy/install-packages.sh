#!/bin/sh
# Installs packages of the distribution:  deploy/install-packages.sh PACKAGE...
# Needs root and apt-get (Debian, Ubuntu). Package lists are only fetched when apt-get can't do without.
set -eu

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "can't install $*: this machine has no apt-get. Install the equivalent of $* yourself."
[ "$(id -u)" = 0 ] || fail "can't install $* without root. Run as root: apt-get install $*"

# Runlevel 1 keeps init scripts from starting what is installed.
install() {
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$@"
}

printf 'installing %s with apt-get\n' "$*"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install "$@" >"$log" 2>&1 && exit
printf 'fetching package lists\n'
{ apt-get update -qq && install "$@"; } >"$log" 2>&1 && exit
tail -n 15 "$log" >&2
fail "apt-get could not install $*; its last words are above"
