#!/bin/sh
# Pins the images of compose.yaml and of the Dockerfile that are not ours, as their tags lead to now, in images.env:
#   deploy/pin-images.sh
# Run it again to renew them. It asks their registries, through the Docker engine.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
echo '# The images, by digest. deploy/pin-images.sh renews this file.' >"$scratch"
# Each is written as ${NAME:-image:tag}; ours, which is built here, is not.
sed -n 's/.*\${\([A-Z]*_IMAGE\):-\([^}]*\)}.*/\1 \2/p' compose.yaml | grep -v '^PERPS_DMA_IMAGE ' | while read -r name image; do
  docker pull --quiet "$image" >/dev/null
  digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
  case $digest in
    *@sha256:*) echo "$name=$image@${digest##*@}" >>"$scratch" ;;
    *) echo "error: no digest is known of $image" >&2; exit 1 ;;
  esac
done
cp "$scratch" images.env
cat images.env
