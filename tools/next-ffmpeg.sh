#!/usr/bin/env bash
# Unpacks the ffmpeg of another release of Debian beside the installed one, for checks with both:
#
#   tools/next-ffmpeg.sh FOLDER [RELEASE]    # FOLDER/bin/ffmpeg and FOLDER/bin/ffprobe; RELEASE is trixie, whose ffmpeg is 7.1
#
# The programs run with the libraries of their own release: nothing of it is installed, and nothing needs root but mmdebstrap itself.
set -euo pipefail

folder=${1:?the folder to unpack into} release=${2:-trixie}
fail() { printf 'next-ffmpeg: %s\n' "$*" >&2; exit 1; }

[ ! -x "$folder/bin/ffmpeg" ] || exit 0
if ! command -v mmdebstrap >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || fail "mmdebstrap is not installed; run: sudo apt-get install mmdebstrap"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap; } >&2
fi
mkdir -p "$(dirname "$folder")"
folder=$(realpath -m "$folder")
rm -rf "$folder.part"
printf 'next-ffmpeg: unpacking ffmpeg of %s into %s\n' "$release" "$folder" >&2
mmdebstrap --quiet --variant=extract --include=ffmpeg "$release" "$folder.part" >&2 || fail "ffmpeg of $release could not be unpacked"

loader=$(cd "$folder.part" && find usr -name 'ld-linux*.so.*' -print -quit)
[ -n "$loader" ] || fail "$release has no loader of programs"
# Folders that alternatives and ldconfig would add.
libraries=$(cd "$folder.part" && find usr/lib -name '*.so*' -printf '%h\n' | sort -u | sed "s|^|$folder/|" | paste -sd:)
mkdir "$folder.part/bin.programs"
for program in ffmpeg ffprobe; do
  printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "'$folder/$loader'" "'$libraries'" "'$folder/usr/bin/$program'" >"$folder.part/bin.programs/$program"
  chmod +x "$folder.part/bin.programs/$program"
done
rm -rf "$folder" "$folder.part/bin" # in Debian, a link to usr/bin
mv "$folder.part/bin.programs" "$folder.part/bin"
mv "$folder.part" "$folder"
"$folder/bin/ffmpeg" -version | head -n 1 >&2
