#!/usr/bin/env bash
# A private PostgreSQL for as long as somebody holds this script's standard input open.
#
# Prints `ready PORT DIRECTORY` once the server answers, or `failed REASON` and ends. Then it obeys the
# lines `stop`, `stop -m immediate` (without a word to anyone, as in a crash), `start`, `demote`
# (start as a standby that follows nobody) and `promote` (answered with `stopped`, `started`,
# `promoted` or `failed REASON`), so that tests can take the server away and bring it back on the same
# port. At end of input, which is also what a killed test process leaves behind, it
# stops the server and removes the directory.
#
# The server listens on 127.0.0.1 only, on a free port between 20000 and 29999, as user
# `postgres` without a password, and as `tickbase_password` with the password `right`.
# It syncs nothing: its data is worth nothing after the test. With the argument `durable` it syncs
# everything, for tests of what a crash leaves; with `german` its messages are in that language; with
# `standby-of PORT` it is a hot standby of the server on that port, by streaming replication.
set -u
trap '' INT HUP TERM PIPE

failed() {
    printf 'failed %s\n' "$(printf '%s' "$*" | tr '\n' ' ')"
    exit 1
}

find_binaries() {
    local initdb
    initdb=$(command -v initdb || true)
    if [ -z "$initdb" ]; then
        # Debian keeps them out of PATH; the newest version wins.
        initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
    fi
    [ -n "$initdb" ] && dirname "$(readlink -f "$initdb")"
}

bin=$(find_binaries) || failed "PostgreSQL is not installed: no initdb in PATH nor in" \
    "/usr/lib/postgresql/*/bin; scripts/test installs it on Debian (apt-get install postgresql)"

sync=off
case ${1:-} in
    '' | standby-of) ;;
    durable) sync=on ;;
    # A locale that every glibc has and translates; the language is the variable's.
    german) export LANGUAGE=de ;;
    *) failed "unknown argument '$1'" ;;
esac

base=$(mktemp -d "${TMPDIR:-/tmp}/tickbase-postgres.XXXXXX") || failed "cannot make a directory"
data=$base/data
log=$base/log
running=no

# PostgreSQL refuses to run as root.
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

stop() {
    [ "$running" = yes ] || return 0
    as_owner "$bin/pg_ctl" stop -D "$data" -m "$1" -w -t 60 >/dev/null 2>&1 </dev/null
    running=no
}

end() {
    stop immediate
    rm -rf "$base"
}
trap end EXIT

start() {
    as_owner "$bin/pg_ctl" start -D "$data" -l "$log" -w -t 60 -o "-p $port" \
        >/dev/null 2>&1 </dev/null && running=yes
}

if [ "${1:-}" = standby-of ]; then
    as_owner "$bin/pg_basebackup" -h 127.0.0.1 -p "$2" -U postgres -D "$data" -R -X stream -c fast \
        --no-sync >"$base/initdb.log" 2>&1 </dev/null ||
        failed "pg_basebackup: $(tail -n 3 "$base/initdb.log")"
else
    as_owner "$bin/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
        >"$base/initdb.log" 2>&1 </dev/null || failed "initdb: $(tail -n 3 "$base/initdb.log")"
fi

cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$base'
max_connections = 300
shared_buffers = 64MB
fsync = $sync
synchronous_commit = $sync
full_page_writes = $sync
CONF
[ "${1:-}" != german ] || echo "lc_messages = 'C.UTF-8'" >>"$data/postgresql.conf"
if [ "$sync" = on ] && "$bin/postgres" --describe-config | grep -q recovery_init_sync_method; then
    # Recovery syncs each file of the directory else, which takes seconds.
    echo "recovery_init_sync_method = syncfs" >>"$data/postgresql.conf"
fi
cat >"$data/pg_hba.conf" <<CONF
local all all trust
host all tickbase_password 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
CONF

for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 10000))
    start && break
    # Another program has the port: try the next.
    grep -q 'could not bind' "$log" || break
done
[ "$running" = yes ] || failed "the server does not start: $(tail -n 3 "$log")"

# A primary that stops sends everything to the standbys that are connected, and to no other.
follows_the_primary() {
    local sql="SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
    for _ in $(seq 300); do
        [ -n "$("$bin/psql" -h 127.0.0.1 -p "$1" -U postgres -qtA -c "$sql" 2>/dev/null </dev/null)" ] &&
            return
        sleep 0.1
    done
    return 1
}

if [ "${1:-}" = standby-of ]; then
    follows_the_primary "$2" || failed "the standby does not stream: $(tail -n 3 "$log")"
fi
[ "${1:-}" = standby-of ] ||
    as_owner "$bin/psql" -h "$base" -p "$port" -U postgres -q -v ON_ERROR_STOP=1 \
    -c "CREATE ROLE tickbase_password LOGIN SUPERUSER PASSWORD 'right'" \
    >/dev/null 2>"$base/role.log" </dev/null || failed "psql: $(tail -n 3 "$base/role.log")"

echo "ready $port $base"
while read -r command; do
    case $command in
        stop) stop fast && echo stopped ;;
        'stop -m immediate') stop immediate && echo stopped ;;
        start) start && echo started || failed "the server does not start: $(tail -n 3 "$log")" ;;
        demote)
            as_owner touch "$data/standby.signal"
            start && echo started || failed "the server does not start: $(tail -n 3 "$log")"
            ;;
        promote)
            as_owner "$bin/pg_ctl" promote -D "$data" -w -t 60 >/dev/null 2>&1 </dev/null &&
                echo promoted || failed "the server is not promoted: $(tail -n 3 "$log")"
            ;;
        *) failed "unknown command '$command'" ;;
    esac
done
