#!/usr/bin/env bash
# Looks for known vulnerabilities that mapreel's programs call. The database comes from the module golang.org/x/vulndb, so it needs
# the module proxy only, and a pinned one gives the same answer every day. VULNDB=latest asks for the newest. It fails for what a
# change of go.mod mends. Those of Go's standard library depend on the Go that this machine has, and are said loudly.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=v1.9.0
database=${VULNDB:-v0.0.0-20261105234957-e22db6528018}
skip() {
  printf '\n!!! vulncheck: SKIPPED: %s\n!!! Nobody has looked for known vulnerabilities in this run.\n\n' "$*" >&2
  exit 0
}
program=bin/tools/govulncheck-$tool
if [ ! -x "$program" ]; then
  GOBIN=$PWD/bin/tools go install "golang.org/x/vuln/cmd/govulncheck@$tool" || skip "govulncheck $tool could not be installed"
  mv bin/tools/govulncheck "$program"
fi
# Not in this module: nothing is to depend on it.
folder=$(cd / && GOFLAGS=-mod=mod go mod download -json "golang.org/x/vulndb@$database" | sed -nE 's/^\t"Dir": "(.*)",?$/\1/p') ||
  skip "the database golang.org/x/vulndb@$database could not be downloaded"
[ -d "$folder/data/osv" ] || skip "golang.org/x/vulndb@$database has no data/osv"
echo "vulncheck: golang.org/x/vulndb@${folder##*@}, $(find "$folder/data/osv" -name '*.json' | wc -l) reports"
# The programs that read what strangers sent, or run on AWS. The CDK app runs on the machine that deploys, and reads its own settings
# only.
report=$(mktemp)
trap 'rm -f "$report"' EXIT
# scan LEVEL writes what is found at that level into the report, and returns 3 if there is anything.
scan() { "$program" -db "file://$folder/data/osv" -scan "$1" ./cmd/... ./functions/... >"$report"; }
# Which vulnerable packages are imported takes seconds to find. Which of their functions are called takes minutes, and is only asked
# where the answer matters: where a package is imported that go.mod can mend.
rc=0
scan package || rc=$?
standard=$(grep -c '^  Standard library$' "$report" || true)
if [ "$rc" = 3 ] && [ "$standard" != "$(grep -c '^Vulnerability #' "$report" || true)" ]; then
  rc=0
  scan symbol || rc=$?
  standard=0
  ! grep -qE '^Your code is affected by [0-9]+ vulnerabilit(y|ies) from the Go standard library' "$report" || standard=1
fi
grep -vE '^ +#[0-9]+: |Example traces found|^$' "$report" || true # an example is thousands of lines
if [ "$rc" = 3 ] && [ "$standard" != 0 ]; then
  printf '\n!!! vulncheck: %s has known vulnerabilities. What is built with it has them too: build releases with the version\n!!! of Go that mends them, as functions/Dockerfile does.\n\n' "$(go version)" >&2
  rc=0
fi
exit "$rc"
