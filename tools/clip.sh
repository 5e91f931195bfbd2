#!/usr/bin/env bash
# clip.sh SECONDS FILE makes a video to try things on: a counter and moving bars, a drifting cloud of colour, and bells.
# The bells are short strokes on changing notes, left and right in turn, so that a seam in the sound would be heard.
set -euo pipefail
seconds=$1 file=$2
mkdir -p "$(dirname "$file")"
# A stroke every quarter of a second, notes in steps of a fifth, each with its first overtone.
note='220*pow(2\,mod(floor(t*4)*7\,24)/12)'
bell="0.25*exp(-9*mod(t\\,0.25))*(sin(2*PI*t*$note)+0.4*sin(4*PI*t*$note))"
ffmpeg -nostdin -hide_banner -loglevel error -y \
  -f lavfi -i "testsrc2=size=854x480:rate=30:duration=$seconds" \
  -f lavfi -i "gradients=size=240x180:rate=30:speed=0.02:seed=7:duration=$seconds" \
  -f lavfi -i "aevalsrc='$bell*(0.6+0.4*sin(t))|$bell*(0.6-0.4*sin(t))':sample_rate=48000:duration=$seconds" \
  -filter_complex "[0][1]overlay=x='300+290*sin(t/3)':y='150+140*cos(t/2)'[v]" \
  -map '[v]' -map 2 -c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -g 250 -c:a aac -b:a 128k \
  -movflags +faststart -f mp4 "$file.part"
mv "$file.part" "$file"
