#!/bin/sh
# Replays what the real program did when it was first called with these arguments. The comparison leaves out what differs
# from call to call: the working folder, the scratch folder, and the number of an attempt. Descriptor 3 gets what the real
# program wrote to it, and the working folder gets the files that it made.
store=$1 real=$2
shift 2
here=$(pwd -P)
key=$(printf '%s\n' "$real" "$@" | sed -E -e "s|$here|@|g" -e 's|/[^ ]*/artifacts/|^/|g' -e 's/\.[0-9]+(\.[0-9]+)?\.(mp4|mka|mkv|vtt)/.N.\2/g' | cksum)
recording="$store/${key% *}"
if [ ! -d "$recording" ]; then
  new=$(mktemp -d "$store/new.XXXXXX") || exit 1
  "$real" "$@" >"$new/out" 3>"$new/fd3" 2>"$new/err"
  status=$?
  if [ $status -ne 0 ]; then
    cat "$new/err" >&2
    rm -rf "$new"
    exit $status
  fi
  mkdir "$new/files"
  case ${here##*/} in
  mapreel-*)
    for f in *; do
      if [ -f "$f" ] && [ ! -L "$f" ]; then cp "$f" "$new/files/"; fi
    done
    ;;
  esac
  mv -T "$new" "$recording" 2>/dev/null || rm -rf "$new"
else
  case ${here##*/} in
  mapreel-*) cp "$recording/files/." . -R 2>/dev/null ;;
  esac
fi
cat "$recording/err" >&2
if [ -s "$recording/fd3" ]; then cat "$recording/fd3" >&3; fi
exec cat "$recording/out"
