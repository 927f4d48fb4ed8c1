#!/bin/sh
# run.sh BUILD_DIR [WORKLOAD...] - install the reference where that is possible, run the benchmarks.
#
#   QUICK=1 ...    a tenth of the jobs, one round: does it work?
#   ROUNDS=5 ...   more rounds
#   BULLMQ=0 ...   without the reference
set -eu

[ $# -ge 1 ] || { echo "usage: run.sh BUILD_DIR [WORKLOAD...]" >&2; exit 2; }
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$PWD/build/bench-bullmq

without() { echo "  without BullMQ: $*" >&2; }

# BullMQ in its own directory, by its lock file; sets BENCH_BULLMQ and BENCH_NODE.
install_bullmq()
{
    for tool in node npm; do
        command -v $tool >/dev/null 2>&1 || { without "no $tool here"; return 0; }
    done
    mkdir -p "$work"
    cp "$here/bullmq/package.json" "$here/bullmq/package-lock.json" "$here/bullmq/.npmrc" \
        "$here/bullmq/bullmq.mjs" "$work/"
    if ! cmp -s "$work/package-lock.json" "$work/installed-lock.json"; then
        if ! (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 \
            --fetch-timeout=30000) >"$work/npm.log" 2>&1 </dev/null; then
            # Unreachable is nobody's fault; a digest or a lock file that is wrong is ours.
            if grep -qE 'EINTEGRITY|EUSAGE|EJSONPARSE' "$work/npm.log"; then
                cat "$work/npm.log" >&2
                return 1
            fi
            without "npm ci could not fetch it"
            return 0
        fi
        cp "$work/package-lock.json" "$work/installed-lock.json"
    fi
    BENCH_BULLMQ=$work
    BENCH_NODE=$(command -v node)
    export BENCH_BULLMQ BENCH_NODE
}

[ "${BULLMQ:-1}" = 0 ] || install_bullmq
exec "$build/bench" "$@"
