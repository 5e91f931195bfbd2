#!/usr/bin/env bash
# Transcodes SOURCE, or a clip made here, with bin/mapreel into .demo/, and shows that no frame was lost.
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
bin/mapreel transcode "$source" -o "$output" --scratch .demo/scratch

facts() {
  local frames seconds
  frames=$(ffprobe -v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" | tr -d ,)
  seconds=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$1")
  printf '%-8s %s: %s frames, %.2f s, %s bytes\n' "$2" "$1" "${frames:-no}" "$seconds" "$(wc -c <"$1" | tr -d ' ')"
}
facts "$source" source
facts "$output" output
