#!/bin/sh
# users.sh DIR [PREFIX] - write users.acl with new passwords.
#
# Writes DIR/users.acl for Redis (`aclfile DIR/users.acl`), which holds only the
# SHA-256 of each password, and DIR/<user>.password for REDIS_URL.
# PREFIX: redis.prefix of the configuration, if it is not fl.
set -eu
umask 077
[ $# -ge 1 ] || { echo "usage: users.sh DIR [PREFIX]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
prefix=${2:-fl}

mkdir -p "$dir"
[ ! -e "$dir/users.acl" ] || { echo "users.sh: $dir/users.acl is there already" >&2; exit 1; }
acl=$(sed "s/~fl:/~$prefix:/g" "$here/users.acl")
users=$(sed -n 's/.*#SHA256-OF-\([a-z]*\).*/\1/p' "$here/users.acl")
for user in $users; do
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s' "$password" >"$dir/$user.password"
    hash=$(sha256sum "$dir/$user.password" | cut -c1-64)
    acl=$(printf '%s\n' "$acl" | sed "s/#SHA256-OF-$user /#$hash /")
done
printf '%s\n' "$acl" >"$dir/users.acl"
