#!/usr/bin/env bash
# Runs the CDK's command line with its arguments. Where it fails and no AWS credentials are configured, it says how to
# name an account.
set -uo pipefail
cd "$(dirname "$0")/.."
# Node's age is for make setup to judge. Without these, every call prints a box about it. Their values are major versions.
node=$(node --version) node=${node#v} node=${node%%.*}
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=$node JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION=$node JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION=1
node_modules/.bin/cdk "$@"
rc=$?
[ $rc != 0 ] && [ "$1" != synth ] || exit $rc
for v in AWS_PROFILE AWS_ACCESS_KEY_ID AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI; do
  [ -z "${!v:-}" ] || exit $rc
done
for f in "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}" "${AWS_CONFIG_FILE:-$HOME/.aws/config}"; do
  [ ! -e "$f" ] || exit $rc
done
printf 'make %s: no AWS account is configured: run aws configure, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION. make synth needs none\n' "$1" >&2
exit $rc
