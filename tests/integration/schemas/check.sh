#!/bin/sh
# check.sh DIR - a second opinion on schemas/*.json by ajv, another's validator:
# are their examples valid, and DIR/{job,result,cost,webhook,alert}.jsonl, which
# the tests collected from the real programs?
#
# Needs node, npm and (the first time) a registry; says "skipped" without them.
set -eu
collected=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
# shellcheck source=tests/support/npm.sh
. "$top/tests/support/npm.sh"

npm_install "schemas by ajv" "$here" "$top/build/schema-check"
exec node "$top/build/schema-check/validate.mjs" "$top/schemas" "$collected"
