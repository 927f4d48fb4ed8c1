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
work=$top/build/schema-check

skip() { echo "  schemas by ajv       skipped: $*"; exit 0; }

[ -e "$top/schemas/job.json" ] || skip "there are no schemas"
for tool in node npm; do
    command -v $tool >/dev/null 2>&1 || skip "no $tool here"
done

mkdir -p "$work"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$here/validate.mjs" "$work/"
if ! cmp -s "$work/package-lock.json" "$work/installed-lock.json"; then
    if ! (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 \
        --fetch-timeout=30000) >"$work/npm.log" 2>&1 </dev/null; then
        # Unreachable is nobody's fault; a digest or a lock file that is wrong is ours.
        if grep -qE 'EINTEGRITY|EUSAGE|EJSONPARSE' "$work/npm.log"; then
            cat "$work/npm.log"
            exit 1
        fi
        skip "npm ci could not fetch ajv"
    fi
    cp "$work/package-lock.json" "$work/installed-lock.json"
fi
exec node "$work/validate.mjs" "$top/schemas" "$collected"
