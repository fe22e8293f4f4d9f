#!/bin/sh
# Makes the secrets that deploy/compose.yaml mounts, each in a file: those that are there already stay as they are.
#
#   deploy/make-secrets.sh [FOLDER]      deploy/secrets by default
#
# Where a registry lies beside the folder (../accounts.toml), each key that it takes from a file gets a placeholder, to
# be replaced by what the venue gave.
#
# The folder is its owner's alone. The files in it can be read by all: a container sees a file alone, under another user.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"
cd "$folder"

keep() { # keep NAME TEXT: write a file, once
  [ -s "$1" ] || printf '%s\n' "$2" >"$1"
  chmod 0444 "$1"
}
random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

for name in dma-strategy dma-risk dma-worker dma-shim postgres-password jwt-secret grafana-password; do
  keep "$name" "$(random)"
done
keep worker-amqp-url "amqp://dma-worker:$(cat dma-worker)@rabbitmq:5672/perps-dma"
keep shim-amqp-url "amqp://dma-shim:$(cat dma-shim)@rabbitmq:5672/perps-dma"
keep ledger-url "postgresql://perps_dma:$(cat postgres-password)@postgres:5432/perps_dma"

[ -f ../accounts.toml ] || exit 0
for name in $(sed -n 's/^[^#]*"file:[^"]*\/\([^"\/]*\)".*/\1/p' ../accounts.toml); do
  [ ! -s "$name" ] || continue
  echo 'replace-me' >"$name"
  echo "put the venue's own into $folder/$name" >&2
done
