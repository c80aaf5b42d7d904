#!/usr/bin/env bash
# The server under load: requests per second, p99 and errors of three calls at 64 connections,
# beside a feed of 10,000 ticks/s, and the server's memory over two minutes.
#
#   benches/http.sh [SECONDS]     of all three calls together; 120 unless given
#
# Starts a release build of `tickbase serve` on a temporary SQLite database with 1,000,000 ticks of
# 12 instruments. Needs wrk (on Debian: apt-get install wrk) and awk. Prints a table.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SECONDS_ALL=${1:-120} CONNECTIONS=64 TICKS_EACH=83334 FEED_RATE=10000
readonly SYMBOLS="ES NQ YM CL GC SPX NDX RUT VIX TICK ADD TRIN"
command -v wrk >/dev/null || { echo "benches/http.sh: wrk is missing; install it" >&2 && exit 1; }

cargo build --quiet --release --bin tickbase --example feed
tickbase=target/release/tickbase
place=$(mktemp -d)
running=()
end() {
    for id in "${running[@]}"; do kill "$id" 2>/dev/null || true; done
    wait || true
    rm -rf "$place"
}
trap end EXIT

$tickbase --database-url "$place/http.db" migrate run >/dev/null 2>&1
for symbol in $SYMBOLS; do
    awk -v n=$TICKS_EACH 'BEGIN {
        print "timestamp,price,volume"
        for (i = 0; i < n; i++)
            printf "%.0f,%.2f,%d\n", 1378202400000 + i * 1000, 1600 + (i % 400) * 0.25, i % 9 + 1
    }' | $tickbase --database-url "$place/http.db" import - --symbol "$symbol" --format csv >/dev/null 2>&1
done

$tickbase --database-url "$place/http.db" --log-level warn serve --bind 127.0.0.1:0 2>"$place/log" >/dev/null &
server=$!
running+=("$server")
# The log is at `warn`: the address comes from the system.
port() { ss -ltnp 2>/dev/null | grep -o "127.0.0.1:[0-9]* .*pid=$server," | grep -o '^127.0.0.1:[0-9]*'; }
until address=$(port); do
    kill -0 "$server" || { cat "$place/log" >&2 && exit 1; }
    sleep 0.1
done

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
(while kill -0 "$server" 2>/dev/null; do resident && sleep 1; done >"$place/resident") 2>/dev/null &
running+=($!)
target/release/examples/feed "$address" $FEED_RATE "$SECONDS_ALL" >"$place/feed" &
feed=$!
running+=("$feed")

cat >"$place/post.lua" <<'LUA'
-- 100 ticks a request, with numbers that nobody else has: each thread counts in a range of its own.
local threads = 0
function setup(thread)
    threads = threads + 1
    thread:set("thread_number", threads)
end
local count = 0
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
function request()
    local rows = {}
    for i = 1, 100 do
        count = count + 1
        rows[i] = string.format(
            '{"instrument_id":%d,"timestamp":%d,"sequence":%d,"price":1640.25,"volume":1}',
            i % 12 + 1, 1600000000000000 + count, thread_number)
    end
    return wrk.format(nil, nil, nil, "[" .. table.concat(rows, ",") .. "]")
end
LUA

# measure NAME PATH [arguments of wrk]: a line of the table.
measure() {
    local name=$1 path=$2
    shift 2
    wrk --threads 2 --connections $CONNECTIONS --duration "$((SECONDS_ALL / 3))s" --timeout 30s --latency \
        "$@" "http://$address$path" >"$place/wrk"
    awk -v name="$name" '
        /^ *50%/ { p50 = $2 } /^ *99%/ { p99 = $2 } /^Requests\/sec/ { rate = $2 }
        /Socket errors/ { gsub(",", ""); errors += $4 + $6 + $8 + $10 } /Non-2xx/ { errors += $NF }
        END { printf "| %s | %.0f | %s | %s | %d |\n", name, rate, p50, p99, errors }' "$place/wrk"
}

echo "| call | requests/s | p50 | p99 | errors |"
echo "|---|---|---|---|---|"
measure "latest of all 12" /api/market-data/latest
measure "range of 1,000 ticks" "/api/market-data/1?limit=1000&end=2013-09-04T00:00:00Z"
measure "ingest of 100 ticks" /api/market-data --script "$place/post.lua"
wait "$feed"
echo
echo "feed: $(cat "$place/feed")"
awk '{ kib[NR] = $1; if ($1 > most) most = $1 }
    END { third = int(NR / 3)
        printf "resident MiB at 1 s, after each call, at most: %.0f, %.0f, %.0f, %.0f, %.0f (%d looks)\n",
            kib[1] / 1024, kib[third] / 1024, kib[2 * third] / 1024, kib[NR] / 1024, most / 1024, NR }' "$place/resident"
if grep -E "WARN|ERROR" "$place/log"; then echo "the server's log has warnings"; fi
