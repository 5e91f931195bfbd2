#!/usr/bin/env bash
# Installs Blender, which renders scenes, where it is missing. `make setup` does not: without it, the tests of scenes are skipped.
set -euo pipefail

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

if command -v "${MAPREEL_BLENDER:-blender}" >/dev/null 2>&1; then exit 0; fi
command -v apt-get >/dev/null 2>&1 || fail 'Blender is not installed; see https://www.blender.org/download, and name its program in MAPREEL_BLENDER'
if [ "$(id -u)" = 0 ]; then become=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then become='sudo -n'
else fail 'Blender is not installed; run: sudo apt-get install --no-install-recommends blender bubblewrap'
fi
printf 'setup: installing blender and bubblewrap, which confines it\n' >&2
$become apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive $become apt-get install -y -qq --no-install-recommends blender bubblewrap >&2 || fail 'Blender could not be installed'
