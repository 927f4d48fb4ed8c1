#!/bin/sh
# run.sh BUILD_DIR [PATTERN] - run the integration suites whose name matches.
#
# Suites mostly wait, so JOBS of them (5) run at a time, each a process of
# BUILD_DIR/integration.  Those that take longest begin first; what is not named
# in `longest` follows in the order of names.  What one prints is kept, and shown only if it failed.
# The last line adds all up in Check's own format.
#
#   JOBS=1 ...                     one after the other
#   CK_VERBOSITY=verbose ...       print what good suites print as well: every test
#   CK_TIMEOUT_MULTIPLIER=5 ...    on a slow machine, or under a sanitizer
#   REDIS_SERVER=valkey-server ... another server
#   FLOTILLA_COLLECT=DIR           keep the documents that the tests saw
set -eu

[ $# -ge 1 ] || { echo "usage: run.sh BUILD_DIR [PATTERN]" >&2; exit 2; }
build=$1
pattern=${2:-.}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
out=$(mktemp -d "${TMPDIR:-/tmp}/flotilla-run.XXXXXX")

# The directories of failed tests stay; after an interruption nothing does.
# shellcheck disable=SC2317 # the traps call it
finish()
{
    code=$?
    trap - EXIT
    trap '' INT TERM
    if [ $code -eq 130 ]; then
        # Check passes TERM on to the test that runs; its programs die with it.
        cat "$out"/*.pid 2>/dev/null | xargs -r kill 2>/dev/null || :
        wait
        rm -rf "$out"
    fi
    find "$out" -mindepth 1 -maxdepth 1 ! -name 'fl-*' -exec rm -rf {} + 2>/dev/null || :
    rmdir "$out" 2>/dev/null || :
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Without the closing line of a suite there is nothing to add up.
[ "${CK_VERBOSITY:-}" = verbose ] || CK_VERBOSITY=normal
export CK_VERBOSITY

case $build in
*asan | *tsan) : "${CK_TIMEOUT_MULTIPLIER:=4}"; export CK_TIMEOUT_MULTIPLIER ;;
esac
if [ -z "${FLOTILLA_COLLECT:-}" ]; then
    FLOTILLA_COLLECT=$out/collected
    export FLOTILLA_COLLECT
fi
mkdir -p "$FLOTILLA_COLLECT"

longest='quiet shift silence pace lost_keys redis_gone outage unnamed memory'
"$build/integration" --list | grep -E -- "$pattern" >"$out/matching" ||
    { echo "no suite matches '$pattern'; there are:"; "$build/integration" --list; exit 2; }
{
    for suite in $longest; do grep -x -- "$suite" "$out/matching" || :; done
    for suite in $longest; do echo "$suite"; done | grep -vxF -f - "$out/matching" || :
} >"$out/suites"

# One suite: its output and its exit code go to files named after it.
run_suite()
{
    code=0
    began=$(date +%s)
    # A session of its own: at TERM, Check ends its whole process group.
    TMPDIR=$out setsid "$build/integration" "$1" >"$out/$1.log" 2>&1 </dev/null &
    echo $! >"$out/$1.pid"
    wait $! || code=$?
    rm -f "$out/$1.pid"
    summary=$(grep -E '^[0-9]+%: Checks: ' "$out/$1.log" || echo "did not end: no summary")
    if [ $code -eq 0 ] && [ "$CK_VERBOSITY" = normal ]; then
        printf '  %-20s %s, %d s\n' "$1" "$summary" $(($(date +%s) - began))
    else
        [ $code -eq 0 ] || summary="$summary  FAILED"
        { printf '  %-20s %s\n' "$1" "$summary"; sed 's/^/    /' "$out/$1.log"; } >"$out/$1.txt"
        cat "$out/$1.txt"
    fi
    echo $code >"$out/$1.code"
}

# A slot is a line in a pipe: a suite takes one to run and puts it back.
mkfifo "$out/slots"
exec 3<>"$out/slots"
n=0
while [ $n -lt "${JOBS:-5}" ]; do
    echo >&3
    n=$((n + 1))
done
while read -r suite; do
    read -r _ <&3
    { run_suite "$suite" 3>&-; echo >&3; } &
done <"$out/suites"
wait

failed=0
while read -r suite; do
    [ "$(cat "$out/$suite.code" 2>/dev/null)" = 0 ] || failed=$((failed + 1))
done <"$out/suites"

for check in "schemas/check.sh $FLOTILLA_COLLECT" "sdk/check.sh $build"; do
    # shellcheck disable=SC2086 # a script and its argument
    sh "$here"/$check || failed=$((failed + 1))
done

cat "$out"/*.log | sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' |
    awk '{ checks += $1; failures += $2; errors += $3 }
         END {
             good = checks ? int(100 * (checks - failures - errors) / checks) : 0
             printf "%d%%: Checks: %d, Failures: %d, Errors: %d\n", good, checks, failures, errors
             exit !(checks > 0 && failures + errors == 0)
         }' || failed=$((failed + 1))
[ $failed -eq 0 ]
