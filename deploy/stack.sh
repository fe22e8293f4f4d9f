#!/bin/sh
# Runs compose on deploy/compose.yaml, with the secrets made first: deploy/stack.sh [COMPOSE ARGUMENT ...]
# Without arguments it builds the image and starts everything. Where deploy/pin-images.sh has pinned the foreign images,
# it takes those.
set -eu
cd "$(dirname "$0")"
./make-secrets.sh
if docker compose version >/dev/null 2>&1; then compose='docker compose'; else compose=docker-compose; fi
pinned=images.env
[ -f "$pinned" ] || pinned=/dev/null
while IFS='=' read -r name image; do # an image that the caller names goes before
  case $name in *_IMAGE) eval ": \"\${$name:=$image}\"; export $name" ;; esac
done <"$pinned"
stack() { $compose --file compose.yaml --project-name perps-dma "$@"; }
[ $# -eq 0 ] || { stack "$@"; exit; }
stack build definitions
stack up --detach
