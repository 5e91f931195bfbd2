#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks. Quick where nothing is missing.
# With the argument "programs": only what mapreel itself needs, Go and ffmpeg. Tests and deployment need the rest.
# What it may not install itself it names, with the command to run.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# at_least WANTED FOUND compares version numbers.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Go: any from 1.21 on fetches the toolchain that go.mod names.
have go || fail 'Go is not installed; see https://go.dev/doc/install'
go version >/dev/null 2>&1 || fail "this Go cannot provide the toolchain that go.mod names; see https://go.dev/doc/install"
go mod download

# ffmpeg, by the system's package manager where that needs no password.
ffmpeg_wanted=5.1
if ! have ffmpeg || ! have ffprobe; then
  if have apt-get; then manager='apt-get install -y --no-install-recommends ffmpeg' refresh='apt-get update -qq'
  elif have dnf; then manager='dnf install -y ffmpeg' refresh=
  elif have pacman; then manager='pacman -S --noconfirm ffmpeg' refresh=
  elif have apk; then manager='apk add ffmpeg' refresh=
  elif have brew; then manager='brew install ffmpeg' refresh=
  else fail "ffmpeg $ffmpeg_wanted or newer is not installed; see https://ffmpeg.org/download.html"
  fi
  if have brew && [ "$manager" = 'brew install ffmpeg' ] || [ "$(id -u)" = 0 ]; then become=
  elif have sudo && sudo -n true 2>/dev/null; then become='sudo -n'
  else fail "ffmpeg is not installed; run: sudo sh -c '${refresh:+$refresh && }$manager'"
  fi
  printf 'setup: installing ffmpeg: %s\n' "$manager" >&2
  # shellcheck disable=SC2086 # each is a command with its arguments
  { [ -z "$refresh" ] || $become $refresh >&2; } && DEBIAN_FRONTEND=noninteractive $become $manager >&2 ||
    fail "ffmpeg could not be installed; run: ${become:+sudo }$manager"
fi
found=$(ffmpeg -version | sed -nE '1s/^ffmpeg version n?([0-9]+(\.[0-9]+)*).*/\1/p')
# A build from git has no number; it is newer than any that is too old.
[ -z "$found" ] || at_least "$ffmpeg_wanted" "$found" || fail "ffmpeg $found is too old; $ffmpeg_wanted or newer is needed"

[ "${1:-}" != programs ] || exit 0

# Chromium, for the tests that play packages. They are skipped without it, so that it cannot be installed stops nobody.
if ! have chromium && ! have chromium-browser && ! have google-chrome; then
  if have apt-get && [ "$(id -u)" = 0 ]; then
    printf 'setup: installing chromium: apt-get install -y --no-install-recommends chromium\n' >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >&2 ||
      printf 'setup: chromium could not be installed; the tests that play packages in it will be skipped\n' >&2
  else
    printf 'setup: chromium is not installed; the tests that play packages in it will be skipped\n' >&2
  fi
fi

# bubblewrap and podman, for the tests of tools that mapreel runs. Those that need them are skipped without.
missing=
have bwrap || missing+=' bubblewrap'
have podman || missing+=' podman runc'
if [ -n "$missing" ]; then
  if have apt-get && [ "$(id -u)" = 0 ]; then
    printf 'setup: installing%s\n' "$missing" >&2
    # shellcheck disable=SC2086 # several packages
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >&2 ||
      printf 'setup:%s could not be installed; tests of tools will be skipped\n' "$missing" >&2
  else
    printf 'setup: not installed:%s; tests of tools will be skipped\n' "$missing" >&2
  fi
fi

# npm development tools, exactly as locked. None needs an install script, so none gets to run one.
node_wanted=20
have node && have npm || fail "Node.js $node_wanted or newer with npm is not installed; see https://nodejs.org"
at_least "$node_wanted" "$(node --version | tr -d v)" || fail "Node.js $(node --version) is too old; $node_wanted or newer is needed"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund
  # The CDK CLI carries Go templates whose names no Go tool accepts. A module of its own keeps them out of ./...
  echo 'module node_modules' >node_modules/go.mod
  touch node_modules/.package-lock.json
fi
