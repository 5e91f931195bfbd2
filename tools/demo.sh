#!/usr/bin/env bash
# Transcodes SOURCE, or a clip made here, with bin/mapreel into .demo/, and has mapreel verify compare the two.
set -euo pipefail
cd "$(dirname "$0")/.."
source=${SOURCE:-}
if [ -z "$source" ]; then
  source=.demo/clip.mp4
  [ -e "$source" ] || { echo 'Making a clip of 60 s …'; tools/clip.sh 60 "$source"; }
fi
output=.demo/$(basename "${source%.*}").mapreel.mp4
mkdir -p .demo
printf 'mapreel transcode %q -o %q\n' "$source" "$output"
# bar also prints the report without a terminal.
bin/mapreel transcode "$source" -o "$output" --scratch .demo/scratch --progress bar
printf '\nmapreel verify %q %q\n' "$source" "$output"
bin/mapreel verify "$source" "$output"
