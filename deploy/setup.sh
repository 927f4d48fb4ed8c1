#!/bin/sh
# setup.sh [--dev] - install what is missing to build, test and run flotilla.
#
# For Debian 12 and 13, as root or with sudo.  Run it as often as you like: it
# installs only what is not there, and says what and why.  --dev adds the tools
# of `make lint format-check tidy asan fuzz memcheck bench`.
# To add a package: one line in a table below, "name  why".
set -eu

needed='
gcc                   the C compiler
libc6-dev             the C library headers
make                  the build
pkgconf               finds the libraries
libhiredis-dev        the Redis protocol
libcurl4-openssl-dev  HTTP calls to the providers
libevent-dev          the event loop
libssl-dev            signatures, digests and TLS to Redis
libjansson-dev        JSON of configuration and tools
libyaml-dev           the configuration file
zlib1g-dev            large answers in the cache
libpcre2-dev          regular expressions of JSON schemas
libmicrohttpd-dev     the HTTP API and dashboard
uthash-dev            hash tables
check                 the unit tests
redis-server          tests and demo start their own
ca-certificates       HTTPS to the providers
'
for_developers='
clang                 make fuzz
libclang-rt-dev       the sanitizer run-time of clang
clang-format          make format
clang-tidy            make tidy
shellcheck            make lint
valgrind              make memcheck
'
policy=/usr/sbin/policy-rc.d
placed_policy=no

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

is_installed()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

names_of() { printf '%s\n' "$1" | awk 'NF { print $1 }' | paste -s -d ' ' -; }

check_system()
{
    system=unknown
    if [ -r /etc/os-release ]; then
        # shellcheck source=/dev/null
        system=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
    fi
    case $system in
    'debian 12' | 'debian 13') return ;;
    esac
    die "this script knows Debian 12 and 13; this is $system.
Install these packages, or what your system calls them, then run make:
  $(names_of "$wanted")"
}

# Prints the lines of $wanted whose package is not installed.
missing_lines()
{
    printf '%s\n' "$wanted" | while read -r name why; do
        if [ -n "$name" ] && ! is_installed "$name"; then
            printf '  %-21s %s\n' "$name" "$why"
        fi
    done
}

become_root()
{
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null 2>&1 ||
        die "installing needs root: run this as root, or install sudo, or: apt-get install $(names_of "$missing")"
    as_root=sudo
}

# Debian starts a service when redis-server is installed.  The tests start their
# own servers, so the system's is kept from starting unless a policy is there.
hold_services()
{
    case $missing in *redis-server*) ;; *) return 0 ;; esac
    [ ! -e "$policy" ] || return 0
    placed_policy=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
}

release_services()
{
    [ "$placed_policy" = no ] || $as_root rm -f "$policy"
    placed_policy=no
}

install_missing()
{
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get \
        -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -q update
    # shellcheck disable=SC2046 # one word per package
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get \
        -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
        -q -y --no-install-recommends install $(names_of "$missing") </dev/null
}

wanted=$needed
case ${1:-} in
'') ;;
--dev) wanted="$needed$for_developers" ;;
*) echo "usage: setup.sh [--dev]" >&2; exit 2 ;;
esac

as_root=
check_system
missing=$(missing_lines)
if [ -z "$missing" ]; then
    say "nothing to install, everything is there"
else
    say "installing:"
    printf '%s\n' "$missing"
    become_root
    trap release_services EXIT
    trap 'exit 130' INT TERM
    hold_services
    install_missing
    if [ "$placed_policy" = yes ] && [ -d /run/systemd/system ]; then
        say "redis-server's service was not started; 'systemctl disable redis-server' keeps it so"
    fi
    release_services
    [ -z "$(missing_lines)" ] || die "still missing:
$(missing_lines)"
    say "done"
fi
if ! command -v npm >/dev/null 2>&1; then
    say "optional: nodejs and npm (charts of the dashboard, a second opinion on the schemas)"
fi
