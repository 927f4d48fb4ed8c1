#!/bin/sh
# check.sh BUILD_DIR - the provider's official SDK and OpenAI's drive the simulator, with
# and without a key.  What it understands here it would understand over there.
#
# Needs node, npm and (the first time) a registry; says "skipped" without them.
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
# shellcheck source=tests/support/npm.sh
. "$top/tests/support/npm.sh"

npm_install "simulator by its SDK" "$here" "$top/build/sdk-check"
out=$(mktemp -d "${TMPDIR:-/tmp}/flotilla-sdk.XXXXXX")
pid=
trap 'kill "$pid" 2>/dev/null || :; rm -rf "$out"' EXIT
trap 'exit 130' INT TERM

# drive KEY: one simulator, one run; KEY may be empty.
drive()
{
    : >"$out/sim"
    if [ -n "$1" ]; then
        "$build/together-sim" --listen 127.0.0.1:0 --require-key "$1" >"$out/sim" 2>&1 &
    else
        "$build/together-sim" --listen 127.0.0.1:0 >"$out/sim" 2>&1 &
    fi
    pid=$!
    until grep -q '^listening ' "$out/sim"; do
        kill -0 "$pid" || { cat "$out/sim"; exit 1; }
        sleep 0.05
    done
    node "$top/build/sdk-check/sdk.mjs" "$(sed -n 's/^listening //p' "$out/sim")/v1" ${1:+"$1"} >"$out/log" 2>&1 ||
        { cat "$out/log"; exit 1; }
    kill "$pid"
    wait "$pid" || :
}

drive ''
drive secret-key
printf '  %-20s %s\n' "simulator by its SDK" "$(tail -n 1 "$out/log"), with a key and without"
