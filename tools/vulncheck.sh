#!/usr/bin/env bash
# Looks for known vulnerabilities that mapreel's programs call. The database comes from the module golang.org/x/vulndb, so it needs
# the module proxy only, and a pinned one gives the same answer every day. VULNDB=latest asks for the newest.
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
# The programs that read what strangers sent, or run on AWS. The CDK app runs on the machine that deploys, reads its own settings
# only, and takes minutes to analyse.
exec "$program" -db "file://$folder/data/osv" ./cmd/... ./functions/...
