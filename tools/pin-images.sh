#!/usr/bin/env bash
# Renews the digests of the base images in functions/Dockerfile (or the file given): each becomes what its tag names now. Needs
# Docker's buildx and the registry. Look at the difference, build, and run make test before committing it.
set -euo pipefail
cd "$(dirname "$0")/.."
recipe=${1:-functions/Dockerfile}
mapfile -t images < <(sed -nE 's/^(FROM |ARG BASE=)(--platform=[^ ]+ )?([^ @$]+:[^ @$]+)(@sha256:[0-9a-f]+)?( .*)?$/\3/p' "$recipe")
[ "${#images[@]}" -gt 0 ] || { echo "pin-images: $recipe names no image with a tag" >&2; exit 1; }
for image in "${images[@]}"; do
  # Of the index of all architectures, so that one digest serves x86_64 and arm64.
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")
  [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "pin-images: the registry gives $image the digest \"$digest\"" >&2; exit 1; }
  sed -i -E "s#^(FROM .*|ARG BASE=)$image(@sha256:[0-9a-f]+)?( .*)?\$#\1$image@$digest\3#" "$recipe"
  echo "$image@$digest"
done
