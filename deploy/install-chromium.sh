#!/bin/sh
# Installs Debian's Chromium, in which tests/browser opens the console, and the font that its pictures are made with.
# Does nothing where both are installed.
set -eu

! { command -v chromium && [ -d /usr/share/doc/fonts-inter ]; } >/dev/null || exit 0
exec "$(dirname "$0")/install-packages.sh" chromium fonts-inter
