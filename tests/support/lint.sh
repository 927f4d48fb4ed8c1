#!/bin/sh
# lint.sh - what the compiler does not see: banned functions, includes that
# point the wrong way, sizes, nesting, headers of Lua scripts, settings without
# a document, shell scripts.  clang-tidy (`make tidy`) measures the functions.
# Prints file:line: what, and fails if anything was found.
#
# Each check prints its findings; to add one, write a function and name it in
# the last loop.  Run from anywhere; looks at files whether committed or not.
set -u
cd "$(dirname "$0")/../.." || exit 2

newline='
'
sources()   # sources DIR... -- files of ours under these folders that the compiler reads
{
    find "$@" -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) 2>/dev/null | sort
}

text_files()
{
    find common scheduler worker schemas deploy tests .ci Makefile README.md CONTRIBUTING.md \
        -name node_modules -prune -o -type f -print 2>/dev/null | sort
}

# Prints "file:line: text   <- why" for every match of the pattern in the files on stdin.
report()    # report PATTERN WHY
{
    xargs -r grep -nHE -- "$1" /dev/null | sed "s|\$|   <- $2|"
}

banned_functions()
{
    sources common scheduler worker tests | report \
        '(^|[^A-Za-z0-9_])(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|gets|atoi|atol|atof|system|popen)\(' \
        'banned function'
}

includes_that_point_the_wrong_way()
{
    sources common | report '#include "(scheduler|worker)/' 'common/ knows neither program'
    sources scheduler | report '#include "worker/' 'scheduler/ does not know worker/'
    sources worker | report '#include "scheduler/' 'worker/ does not know scheduler/'
    sources common scheduler worker | report '#include "tests/' 'programs do not know the tests'
}

# A part of a worker gets what it uses (worker/env.h, callbacks), not the whole process.
parts_that_know_the_process()
{
    {
        sources worker/claims worker/together worker/supervisor worker/limit worker/cache worker/budget worker/route
        sources worker/inference worker/webhook | grep -E '/(chunks|hooks|signature)\.'
        sources worker | grep -E '^worker/(batcher|env)\.'
    } | report '#include "worker/(process|run)(_private)?\.h"' 'a part gets what it uses, not the process'
    sources worker/claims worker/supervisor worker/limit worker/cache worker/budget worker/route |
        report '#include "worker/(inference|webhook|jobs)/' 'a part does not know its users'
}

libraries_outside_their_file()
{
    sources common scheduler worker | grep -vE '^common/io/redis[^/]*\.c$' |
        report '#include <hiredis' 'only common/io/redis*.c sees hiredis'
    sources common scheduler worker | grep -vE '^common/io/http_client[^/]*\.[ch]$' |
        report '#include <curl' 'only common/io/http_client*.c sees curl'
    sources common scheduler worker | grep -v '^common/config/' |
        report '#include <yaml' 'only common/config/ sees libyaml'
    sources common scheduler worker | grep -v '^common/core/hash\.h$' |
        report '#include <uthash' 'common/core/hash.h gives it our memory'
    sources common scheduler worker | grep -v '^common/schema/pattern\.c$' |
        report '#include <pcre2' 'only common/schema/pattern.c sees PCRE2'
    sources common scheduler worker | grep -v '^scheduler/http/' |
        report '#include <microhttpd' 'only scheduler/http/ sees libmicrohttpd'
}

# Each name of a key begins with the root of common/queue/keys.c, which has the hash tag.
keys_without_the_tag()
{
    sources common scheduler worker | grep -v '^common/config/' |
        report 'redis_prefix' 'names of keys begin with the root of struct keys' | grep -v 'keys_init('
    sources common scheduler worker | report '"(fl|%s):[a-z]+:' 'names of keys begin with the root of struct keys'
}

files_that_are_too_long()
{
    find common scheduler worker deploy tests -name node_modules -prune -o -type f \
        \( -name '*.[ch]' -o -name '*.def' -o -name '*.lua' -o -name '*.sh' -o -name '*.js' \) -print 2>/dev/null |
        while read -r f; do
            lines=$(wc -l <"$f")
            [ "$lines" -le 600 ] || echo "$f:600: has $lines lines   <- 600 at most: split it by noun"
        done
}

# By the indentation, which format-check has made sure of.  clang-tidy cannot tell what stands here
# from the blocks inside uthash's macros.
blocks_that_are_too_deep()
{
    sources common scheduler worker deploy tests | report \
        '^ {24,}(\} *)?(if|else|for|while|do|switch|[A-Z_]+_(ITER|FOREACH[A-Z_]*|SAFE))( .*|\(.*)?\{$' \
        'four levels of nesting at most: make a function of it'
}

# A script opens with a comment that says KEYS, ARGV and what it returns, and
# takes its keys from KEYS: none is spelled or put together inside.
lua_scripts()
{
    for f in common/queue/lua/*.lua; do
        [ -e "$f" ] || continue
        head=$(awk 'NR == 1 && /^#!/ { next } /^--/ { print; next } { exit }' "$f")
        for word in KEYS ARGV Returns; do
            case $head in
            *"$word"*) ;;
            *) echo "$f:1: the opening comment does not say $word" ;;
            esac
        done
        grep -nHE "^[^-]*['\"]fl:" "$f" | sed 's/$/   <- a key spelled in a script: declare it in KEYS/'
        grep -nHE "redis\.p?call\([^,]*, *[^,)]*\.\." "$f" |
            sed 's/$/   <- a key put together in a script: declare it in KEYS/'
    done
}

unfinished_work()
{
    text_files | grep -v '\.md$' | report '(^|[^A-Za-z0-9_])([T]ODO|[F]IXME|[X]XX)([^A-Za-z0-9_]|$)' 'finish it, or write an issue'
}

# A lock file names versions and digests; where packages come from is the user's business.
registry_addresses()
{
    text_files | report 'registry[.](npmjs|yarnpkg|npmmirror)|[n]pmmirror[.]com|pypi[.]org|"[r]esolved":' 'no registry address'
}

# Each setting stands in deploy/flotilla.yaml under its section, in use or in a comment.
settings_without_a_document()
{
    [ -e common/config/settings.def ] && [ -e deploy/flotilla.yaml ] || return 0
    sed -n 's/^[A-Z]*(\([A-Za-z_0-9]*\), *\([a-z_0-9]*\),.*/\1 \2/p' common/config/settings.def |
        while read -r section key; do
            awk -v s="$section" -v k="$key" '
                { sub(/^# ?/, "") }
                /^[a-z_]+:/ { inside = $0 ~ "^" s ":" }
                $0 ~ (s == "TOP" ? "^" : "^[# ]+") k ":" && (inside || s == "TOP") { found = 1 }
                END { exit !found }' deploy/flotilla.yaml ||
                echo "common/config/settings.def:1: $section.$key is not in deploy/flotilla.yaml"
        done
}

shell_scripts()
{
    command -v shellcheck >/dev/null 2>&1 || { echo "lint: no shellcheck here, scripts not checked" >&2; return; }
    find deploy tests .ci -name node_modules -prune -o -type f \( -name '*.sh' -o -path .ci/run \) \
        -exec shellcheck -f gcc {} +
}

found=
for check in banned_functions includes_that_point_the_wrong_way parts_that_know_the_process libraries_outside_their_file \
    keys_without_the_tag files_that_are_too_long blocks_that_are_too_deep lua_scripts unfinished_work registry_addresses \
    settings_without_a_document shell_scripts; do
    lines=$($check)
    [ -z "$lines" ] || found="$found$lines$newline"
done
if [ -n "$found" ]; then
    printf '%s' "$found"
    echo "lint: $(printf '%s' "$found" | wc -l) found" >&2
    exit 1
fi
echo "lint: clean"
