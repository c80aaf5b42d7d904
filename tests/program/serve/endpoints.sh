#!/usr/bin/env bash
# Calls every endpoint of a running server as a client would, and checks status and body.
#
#   tests/serve/endpoints.sh http://127.0.0.1:8000
#
# The server must run on a fresh database that may be written to. Needs curl and jq. Ends with
# `endpoints: N passed, 0 failed`, or with 1.
set -u
base=${1:?usage: endpoints.sh http://host:port}
passed=0
failed=0
body=$(mktemp)
trap 'rm -f "$body"' EXIT

# expect STATUS JQ-CONDITION METHOD PATH [curl arguments]: one call. The condition is about the
# JSON of the answer; `-` is none.
expect() {
    local status=$1 condition=$2 method=$3 path=$4 got
    shift 4
    got=$(curl --silent --show-error --max-time 30 --output "$body" --write-out '%{http_code}' \
        --request "$method" "$@" "$base$path")
    if [ "$got" = "$status" ] && { [ "$condition" = - ] || jq --exit-status "$condition" "$body" >/dev/null; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s %s: status %s, expected %s with %s\n  %s\n' \
            "$method" "$path" "$got" "$status" "$condition" "$(head -c 400 "$body")" >&2
    fi
}
json() { expect "$1" "$2" "$3" "$4" --header 'content-type: application/json' --data "$5"; }

# Probes and health.
expect 200 - GET /livez
expect 200 - GET /readyz
expect 200 - GET /metrics
expect 200 '.status == "healthy" and .ingestion_active == false and .last_tick == null and .alert_delivery.dead_letters == 0' GET /api/health
expect 200 '.database_status == "healthy" and .total_instruments == 12' GET /api/health/detailed
expect 200 '.status == "healthy" and .connection_pool.max_capacity == 70 and (.connection_pool.doors | length) == 2' \
    GET /api/health/database

expect 200 '.slow_query_after_ms == 100 and (.queries | type) == "array"' GET /api/health/slow-queries
expect 200 '.interval_seconds == 30 and (.rounds | length) > 0' GET /api/health/history

# The API's description.
expect 200 '.openapi == "3.1.0" and (.paths | length) > 10' GET /api/openapi.json
expect 200 - GET /api/docs/
expect 200 - GET /

# Instruments.
expect 200 'length == 12 and .[0].symbol == "ADD"' GET /api/instruments
expect 200 'map(.symbol) == ["NDX", "RUT", "SPX"]' GET '/api/instruments?type=index'
expect 200 '.symbol == "ES" and .type == "future"' GET /api/instruments/1
expect 404 '.detail | test("instrument 999 not found")' GET /api/instruments/999
expect 422 '.detail[0].loc == ["path", "id"]' GET /api/instruments/one
json 201 '.symbol == "EURUSD" and .price_decimals == 5' POST /api/instruments \
    '{"symbol": "eurusd", "name": "Euro / US dollar", "type": "fx", "price_decimals": 5}'
json 409 '.detail | test("EURUSD")' POST /api/instruments '{"symbol": "EURUSD", "name": "again", "type": "fx"}'
json 422 '.detail[0].loc == ["body", "type"]' POST /api/instruments '{"symbol": "X", "name": "x", "type": "bond"}'
json 200 '.status == "inactive"' PUT /api/instruments/13 '{"status": "inactive"}'
expect 200 '.message == "Instrument 13 deleted successfully" and (.deletion_id | type) == "number"' DELETE /api/instruments/13?reason=typo
expect 404 - GET /api/instruments/13
expect 200 '.symbol == "EURUSD"' POST /api/instruments/13/restore

# Deletions.
expect 200 '.deletions[0].reason == "typo" and .deletions[0].counts.instruments == 1' GET /api/deletions?limit=1
expect 404 '.detail | test("deletion 5 not found")' GET /api/deletions/5
expect 404 - POST /api/deletions/5/undo
expect 200 '.trash == []' GET /api/trash

# Retention and the archive.
expect 200 '. == {policies: []}' GET /api/retention
json 200 '.added == 1 and .policies == [{kind: "bars", frequency: "1min", delete_after: "30d"}]' PUT /api/retention \
    '{"policies": [{"kind": "bars", "frequency": "1min", "delete_after": "30d"}]}'
json 422 '.detail[0].loc == ["body", "policies[0].delete_after"]' PUT /api/retention '{"policies": [{"kind": "ticks", "delete_after": "1mo"}]}'
json 200 '.removed == 1' PUT /api/retention '{"policies": []}'
expect 200 '. == {segments: [], next: null}' GET /api/archive/segments
expect 404 '.detail | test("archived period 1 not found")' GET /api/archive/segments/1.parquet

# Market data.
json 200 '. == {received: 2, inserted: 2, duplicates: 0, conflicts: 0, deleted: 0, late: 0, rejected: 0, timestamps_truncated: 0, errors: [], message: null}' \
    POST /api/market-data '[
        {"symbol": "ES", "timestamp": "2013-09-03T10:23:00.074Z", "sequence": 1, "price": 1641.5, "volume": 8},
        {"symbol": "ES", "timestamp": "2013-09-03T10:23:00.075Z", "sequence": 2, "price": 1641.75, "volume": 1}]'
expect 200 '.inserted == 1 and .duplicates == 1' POST /api/market-data \
    --header 'content-type: text/csv' --data-binary \
    $'symbol,timestamp,sequence,price,volume\nES,2013-09-03T10:23:00.075Z,2,1641.75,1\nES,2013-09-03T10:23:01Z,3,1642,2\n'
expect 200 '.inserted == 1' POST /api/market-data --header 'content-type: application/x-ndjson' --data-binary \
    '{"instrument_id": 13, "timestamp": 1378203780, "bid": 1.317215, "ask": 1.31724}'
gzip -c <<<'[{"symbol": "ES", "timestamp": "2013-09-03T10:23:02Z", "sequence": 4, "price": 1641.25}]' >"$body.gz"
expect 200 '.inserted == 1' POST /api/market-data --header 'content-type: application/json' \
    --header 'content-encoding: gzip' --data-binary "@$body.gz"
rm -f "$body.gz"
for _ in 1 2; do # The second answer is the first one's.
    expect 200 '.inserted == 1' POST /api/market-data --header 'content-type: application/json' \
        --header 'idempotency-key: endpoints' \
        --data '[{"symbol": "NQ", "timestamp": "2013-09-03T10:23:00Z", "price": 3100}]'
done
json 200 '.rejected == 1 and .errors[0].index == 1' POST /api/market-data '[
        {"symbol": "ES", "timestamp": "2013-09-03T10:23:03Z", "sequence": 5, "price": 1641.25},
        {"symbol": "NOSUCH", "timestamp": "2013-09-03T10:23:03Z", "price": 1}]'
json 422 '.detail[0].msg | test("NOSUCH")' POST /api/market-data '[{"symbol": "NOSUCH", "timestamp": 1378203780, "price": 1}]'
json 422 '.detail[0].loc == ["body"]' POST /api/market-data 'no json'
expect 415 '.detail | test("text/plain")' POST /api/market-data --header 'content-type: text/plain' --data x
expect 200 '(.ticks | length) == 5 and .ticks[0].price == 1641.25 and .next_cursor == null' GET /api/market-data/1
expect 200 '(.ticks | length) == 2 and .next_cursor != null' GET '/api/market-data/1?limit=2&order=asc'
expect 422 '.detail[0].loc == ["query", "start"]' GET '/api/market-data/1?start=soon'
expect 404 - GET /api/market-data/999
expect 200 '(.ticks | length) == 3 and .ticks[2].bid == 1.31722' GET /api/market-data/latest
expect 200 '.ticks[0].symbol == "NQ"' GET '/api/market-data/latest?instrument_ids=2'
expect 200 '(.snapshots | length) == 1 and .snapshots[0].symbol == "NQ"' GET '/api/market-data/snapshot?instrument_ids=2'
expect 200 'map(.name) | index("binance-trades") != null' GET /api/import/presets
json 200 '.deleted == 5' POST /api/market-data/delete '{"instrument_id": 1}'
expect 200 '.ticks == []' GET /api/market-data/1
json 200 '.restored == 5' POST /api/market-data/restore '{"instrument_id": 1}'
json 200 '.deleted == 1' POST /api/market-data/delete \
    '{"keys": [{"instrument_id": 1, "timestamp": "2013-09-03T10:23:01Z", "source_id": 1, "sequence": 3}]}'

# History.
json 200 '.success and .message == "1 of 2 symbols have bars" and .data[0].data_source == "aggregated" and .data[0].cached == false
    and (.data[0].bars | length) == 1 and .data[0].bars[0].open == 1641.5 and .data[0].bars[0].volume == 9
    and .data[1].data_source == "no_data" and (.data[1].message | test("NOSUCH"))' \
    POST /api/historical-data/fetch '{"symbols": ["ES", "NOSUCH"], "frequency": "1d"}'
json 200 '.data[0].total_bars == 1 and .data[0].has_more == false and .data[0].bars[0].timestamp == "2013-09-03T10:23:00.000000Z"' \
    POST /api/historical-data/fetch '{"symbols": ["ES"], "frequency": "1min", "start_date": "2013-09-03", "end_date": "2013-09-03", "max_records": 1}'
json 200 '.success == false and .data[0].total_bars == 0' \
    POST /api/historical-data/fetch '{"symbols": ["ES"], "start_date": "2020-01-01"}'
json 422 '.detail[0].loc == ["body", "symbols"]' POST /api/historical-data/fetch '{"symbols": []}'
json 422 '.detail[0].loc == ["body", "frequency"]' POST /api/historical-data/fetch '{"symbols": ["ES"], "frequency": "2min"}'
expect 200 '.frequencies | map(.frequency) == ["1min", "5min", "15min", "30min", "1h", "4h", "1d", "1w", "1M"]' \
    GET /api/historical-data/frequencies
expect 200 '.sources[0].id == 1 and .sources[0].name == "tickbase"' GET /api/historical-data/sources
expect 200 '.data[0].present > 0 and .data[0].calendar == "weekdays" and (.data[1].message | contains("NOSUCH"))' \
    GET '/api/historical-data/coverage?symbols=ES&symbols=NOSUCH&frequency=1min'
json 200 '.deleted == 0' POST /api/bars/delete '{"symbol": "ES", "frequency": "1d"}'
json 200 '. == {restored: 0, conflicts: 0, message: null}' POST /api/bars/restore '{"symbol": "ES", "frequency": "1d"}'
expect 422 '.detail[0].loc == ["query", "calendar"]' GET '/api/historical-data/coverage?symbols=ES&calendar=nyse'
expect 200 '.total_bars == 0 and .total_requests == 3 and .by_frequency == []' GET /api/historical-data/stats
expect 200 '.status == "healthy" and .database_healthy and .total_requests == 3' GET /api/historical-data/health

# Rules.
expect 200 '. == []' GET /api/rules
json 201 '.id == 1 and .threshold == 1650.25 and .instrument_symbol == "ES" and .cooldown_seconds == 60 and .active' \
    POST /api/rules '{"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": "1650.25", "name": "high"}'
json 201 '.expression.all[0].condition == "above" and .threshold == null' POST /api/rules \
    '{"instrument_id": 2, "rule_type": "multi_condition", "expression": {"all": [{"condition": "above", "threshold": "3100"}, {"condition": "volume_above", "threshold": 100}]}}'
json 422 '.detail[0].loc == ["body", "condition"]' POST /api/rules \
    '{"instrument_id": 1, "rule_type": "threshold", "condition": "volume_above", "threshold": 1}'
json 422 '.detail[0].loc == ["body", "threshold"] and (.detail[0].msg | test("exponent out of range"))' POST /api/rules \
    '{"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 1e309}'
json 404 '.detail | test("instrument 999 not found")' POST /api/rules \
    '{"instrument_id": 999, "rule_type": "threshold", "condition": "above", "threshold": 1}'
json 200 '.fired == 0 and .ticks >= 0 and .has_more == false' POST /api/rules/replay \
    '{"rule": {"instrument_id": 1, "rule_type": "threshold", "condition": "above", "threshold": 99999}}'
json 422 '.detail[0].loc == ["body", "rule", "threshold"]' POST /api/rules/replay \
    '{"rule": {"instrument_id": 1, "rule_type": "threshold", "condition": "above"}}'
expect 200 'map(.id) == [2, 1]' GET /api/rules
expect 200 'map(.id) == [1]' GET '/api/rules?instrument_id=1&active_only=true&rule_type=threshold'
json 200 '.threshold == 1651 and .name == null and .condition == "above"' PUT /api/rules/1 '{"threshold": 1651, "name": null}'
json 422 '.detail[0].loc == ["body", "threshold"]' PUT /api/rules/1 '{"threshold": null}'
expect 200 '.threshold == 1651' GET /api/rules/1
expect 200 '.message == "Rule 1 deleted successfully"' DELETE /api/rules/1
expect 404 - GET /api/rules/1
expect 200 '.id == 1' POST /api/rules/1/restore

# Alerts.
expect 200 '(.alerts | type) == "array" and .page == 1 and .limit == 50 and (.total | type) == "number"' GET /api/alerts
expect 200 '.has_more == false and .limit == 5' GET '/api/alerts?per_page=5&page=1&instrument_id=1&fired_status=fired&start_date=2013-09-03&end_date=2013-09-03'
expect 422 '.detail[0].loc == ["query", "per_page"]' GET '/api/alerts?per_page=1001'
expect 422 '.detail[0].loc == ["query", "start_date"]' GET '/api/alerts?start_date=soon'
expect 200 '(.total_alerts_today | type) == "number" and (.alerts_by_rule_type | type) == "object"' GET /api/alerts/stats
expect 200 - GET /api/alerts/export
expect 404 '.detail | test("alert 999 not found")' DELETE /api/alerts/999
expect 404 - POST /api/alerts/999/restore
expect 404 '.detail | test("alert 999 not found")' GET /api/alerts/999/deliveries
expect 404 '.detail | test("alert 999 not found")' POST /api/alerts/999/deliveries/resend
expect 200 '. == {resent: 0}' POST /api/alerts/deliveries/resend
expect 422 '.detail[0].loc == ["query", "channel"]' POST '/api/alerts/deliveries/resend?channel=A'
expect 400 '.detail | test("WebSocket")' GET /ws/realtime

# Analytics: without a bar every figure is null, and says why.
analytics=/api/v1/analytics
expect 200 '.instrument_symbol == "ES" and .frequency == "5min" and .trend == null and (.unavailable | map(.field) | index("trend"))' \
    GET $analytics/market-analysis/1
expect 422 '.detail[0].loc == ["query", "lookback_hours"]' GET "$analytics/market-analysis/1?lookback_hours=0"
expect 404 '.detail | test("instrument 999 not found")' GET $analytics/market-analysis/999
expect 200 '.indicators == {macd: null, macd_histogram: null, macd_signal: null, rsi: null} and .unavailable[0].reason == "not_enough_data"' \
    GET "$analytics/real-time-indicators/1?indicators=rsi&indicators=macd"
expect 200 '(.lines | keys) == ["rsi"] and (.lines.rsi | length) == (.timestamps | length)' \
    GET "$analytics/indicator-series/1?indicators=rsi"
expect 200 '.frequency == "1d" and .volatility == null and .periods_per_year == 252' GET $analytics/risk-metrics/1
json 200 '.method == "historical" and .confidence_level == 0.95 and .unavailable[0].needed == 21' \
    POST $analytics/calculate-var '{"instrument_id": 1}'
json 422 '.detail[0].loc == ["body", "confidence_level"]' POST $analytics/calculate-var \
    '{"instrument_id": 1, "confidence_level": 1}'
json 200 '.total_volume == 9 and (.buckets | length) > 1 and .point_of_control > 1641.25' POST $analytics/volume-profile '{"instrument_id": 1}'
expect 200 '.matrix == [[null, null], [null, null]] and .instrument_symbols == ["ES", "NQ"]' \
    GET "$analytics/correlation-matrix?instrument_ids=1&instrument_ids=2"

# What a feed changes.
expect 200 '.ingestion_active and .last_tick == "2013-09-03T10:23:03.000000Z"' GET /api/health
expect 200 '.performance.by_operation | map(.operation) | index("market_data.insert_batch")' GET /api/health/database

# What is not there.
expect 404 '.detail | test("/api/nothing")' GET /api/nothing
expect 405 '.detail | test("PATCH")' PATCH /api/instruments

echo "endpoints: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
