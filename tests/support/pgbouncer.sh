#!/usr/bin/env bash
# A private pgbouncer before a PostgreSQL for as long as somebody holds this script's standard input
# open.
#
#   pgbouncer.sh PORT MODE SIZE   the server's port, pool_mode, connections to the server
#
# Prints `ready PORT` once it listens, or `failed REASON` and ends. It listens on 127.0.0.1 only, on
# a free port between 30000 and 39999, and takes every user without a password. In transaction mode
# it cleans nothing between two clients, as is its default: what a session is told stays.
set -u
trap '' INT HUP TERM PIPE

failed() {
    printf 'failed %s\n' "$(printf '%s' "$*" | tr '\n' ' ')"
    exit 1
}

[ $# -eq 3 ] || failed "three arguments are needed"
PATH=$PATH:/usr/sbin
command -v pgbouncer >/dev/null || failed "pgbouncer is not installed;" \
    "scripts/test installs it on Debian (apt-get install pgbouncer)"

base=$(mktemp -d "${TMPDIR:-/tmp}/tickbase-pgbouncer.XXXXXX") || failed "cannot make a directory"
# It refuses to run as root.
as_owner() { "$@"; }
if [ "$(id -u)" -eq 0 ]; then
    owner=postgres
    id "$owner" >/dev/null 2>&1 || owner=nobody
    chown "$owner" "$base"
    as_owner() {
        setpriv --reuid="$(id -u "$owner")" --regid="$(id -g "$owner")" --clear-groups -- "$@"
    }
fi
cd /

process=
end() {
    [ -z "$process" ] || kill -KILL "$process" 2>/dev/null
    rm -rf "$base"
}
trap end EXIT

for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((30000 + RANDOM % 10000))
    # Whoever is let in is the server's superuser.
    cat >"$base/ini" <<INI
[databases]
* = host=127.0.0.1 port=$1 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = $2
default_pool_size = $3
max_client_conn = 500
logfile = $base/log
INI
    as_owner pgbouncer -q "$base/ini" >/dev/null 2>&1 </dev/null &
    process=$!
    # Another program may have the port: then it ends, and the next is tried.
    while kill -0 "$process" 2>/dev/null; do
        grep -qs "listening on 127.0.0.1:$port" "$base/log" && break 2
        sleep 0.02
    done
    process=
done
[ -n "$process" ] || failed "pgbouncer does not start: $(tail -n 3 "$base/log" 2>/dev/null)"

echo "ready $port"
cat >/dev/null
