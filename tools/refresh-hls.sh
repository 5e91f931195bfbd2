#!/usr/bin/env bash
# Copies hls.js, as locked in package-lock.json, into the player's page, where it is embedded at build.
# To take another version: npm install --save-dev --save-exact hls.js@VERSION, then make refresh-hls.
set -euo pipefail
cd "$(dirname "$0")/.."
from=node_modules/hls.js to=pkg/player/page
[ -e "$from/dist/hls.min.js" ] || { echo 'refresh-hls: hls.js is not in node_modules; run make setup' >&2; exit 1; }
sed '/^\/\/# sourceMappingURL=/d' "$from/dist/hls.min.js" >"$to/hls.min.js"
cp "$from/LICENSE" "$to/hls.LICENSE"
node -p "'hls.js ' + require('./$from/package.json').version"
