#!/bin/sh
# demo.sh BUILD-DIR - 500 mixed jobs through the real programs, with failures.
#
# Starts a private Redis (or uses $REDIS_URL, under a prefix of its own), the simulator,
# a scheduler and a supervisor with two worker processes; BUILD-DIR/demo does the rest.
# With $TOGETHER_API_KEY the calls go to Together AI and cost a few cents, and nothing is
# made to fail; the simulator then only receives the webhooks.
# Everything it started is stopped and removed; logs stay when it fails.
set -eu

build=${1:-build/release}
dir=$(mktemp -d "${TMPDIR:-/tmp}/flotilla-demo.XXXXXX")
pids=
own_redis=
export FLOTILLA_REDIS_PREFIX="fl-demo-$$"

say() { printf 'demo: %s\n' "$*" >&2; }

# Set in reverse order of starting; each gets TERM and is waited for.
stop_all()
{
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    pids=
}

finish()
{
    status=$?
    trap - EXIT
    trap '' INT TERM HUP
    stop_all
    [ -n "$own_redis" ] || "$build/demo" clean || say "keys $FLOTILLA_REDIS_PREFIX:* are left in Redis"
    case $status in
    0 | 129 | 130 | 143) rm -rf "$dir" ;;
    *) say "failed; the logs are in $dir" ;;
    esac
    exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

start() # start NAME COMMAND... -- in the background, its output in $dir/NAME.log
{
    name=$1
    shift
    "$@" >"$dir/$name.log" 2>&1 &
    pids="$! $pids"
}

wait_for() # wait_for WHAT TEST...
{
    what=$1
    shift
    tries=200
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { say "$what did not start"; exit 1; }
        sleep 0.05
    done
}

# What is set outside must not bend the demo; FLOTILLA_DATA only says where questions are.
for name in $(env | sed -n 's/^\(FLOTILLA_[A-Z_]*\)=.*/\1/p'); do
    case $name in
    FLOTILLA_DATA | FLOTILLA_REDIS_PREFIX) ;;
    *) unset "$name" ;;
    esac
done
: >"$dir/flotilla.yaml"
export FLOTILLA_CONFIG="$dir/flotilla.yaml" FLOTILLA_DATA_DIR="$dir" FLOTILLA_HTTP_LISTEN=

if [ -z "${REDIS_URL:-}" ]; then
    own_redis=yes
    start redis redis-server --port 0 --unixsocket "$dir/redis.sock" --dir "$dir" --save '' \
        --appendonly no --maxmemory-policy noeviction
    wait_for redis-server test -S "$dir/redis.sock"
    export REDIS_URL="unix://$dir/redis.sock"
fi
"$build/demo" answers >"$dir/answers.jsonl"
start simulator "$build/together-sim" --listen 127.0.0.1:0 --port-file "$dir/port" \
    --answers "$dir/answers.jsonl" --bill-aborted
wait_for together-sim test -s "$dir/port"
sim="http://127.0.0.1:$(cat "$dir/port")"
[ -n "${TOGETHER_API_KEY:-}" ] || export TOGETHER_BASE_URL="$sim/v1"

# Short pauses, so that the demo is short; few calls at a time, so that there is a queue.
export FLOTILLA_RETRY_DELAY_MS=200 FLOTILLA_RETRY_REALTIME_DELAY_MS=100
export FLOTILLA_RETRY_PARK_MIN_MS=300 FLOTILLA_RETRY_PARK_MAX_MS=2000
export FLOTILLA_WORKERS_PROCESSES=2 FLOTILLA_WORKERS_CONCURRENCY=24
export FLOTILLA_WORKERS_HEARTBEAT_MS=200
export FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8
export FLOTILLA_WEBHOOKS_SECRET=whsec_ZGVtby1zZWNyZXQtb2YtMjQtYnl0ZXMh
export FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,500,1000,2000,4000

start scheduler "$build/flotilla-scheduler"
start worker "$build/flotilla-worker"
"$build/demo" run "$sim"
