# npm.sh - sourced by the checks that use npm packages.
#
# npm_install LABEL SOURCE WORK: copies SOURCE's package files and scripts to
# WORK and installs them there from the lock file, once.  Ends the caller with
# "skipped" when node, npm or the registry is not to be had; a digest or a lock
# file that is wrong is a failure.
# shellcheck shell=sh

npm_skip()
{
    printf '  %-20s skipped: %s\n' "$1" "$2"
    exit 0
}

npm_install()
{
    label=$1 source=$2 work=$3
    for tool in node npm; do
        command -v $tool >/dev/null 2>&1 || npm_skip "$label" "no $tool here"
    done
    mkdir -p "$work"
    cp "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$source"/*.mjs "$work/"
    cmp -s "$work/package-lock.json" "$work/installed-lock.json" && return 0
    if ! (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 \
        --fetch-timeout=30000) >"$work/npm.log" 2>&1 </dev/null; then
        # Unreachable is nobody's fault; a digest or a lock file that is wrong is ours.
        if grep -qE 'EINTEGRITY|EUSAGE|EJSONPARSE' "$work/npm.log"; then
            cat "$work/npm.log"
            exit 1
        fi
        npm_skip "$label" "npm ci could not fetch the packages"
    fi
    cp "$work/package-lock.json" "$work/installed-lock.json"
}
