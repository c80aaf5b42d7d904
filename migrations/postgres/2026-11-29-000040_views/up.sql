-- Active rows for readers of SQL, with names instead of ids, and with the columns that SQLite's views
-- have: `time` is `timestamp`, `time_unix` seconds since 1970. Conditions on `timestamp` and on
-- instrument_id use the keys.
CREATE VIEW v_ticks AS
SELECT
    i.symbol,
    t."timestamp" AS "time",
    extract(epoch FROM t."timestamp")::double precision AS time_unix,
    t."timestamp",
    s.name AS source,
    t.sequence,
    t.price, t.volume, t.bid, t.ask, t.bid_size, t.ask_size, t.open_price, t.high_price, t.low_price,
    t.instrument_id,
    t.source_id
FROM instruments AS i
JOIN market_data AS t ON t.instrument_id = i.id
LEFT JOIN data_sources AS s ON s.id = t.source_id
WHERE i.deleted_at IS NULL AND t.deleted_at IS NULL;

-- Bars that are stored: those that came in, and those of the sources `tickbase-bars..`, which were built.
CREATE VIEW v_bars AS
SELECT
    i.symbol,
    b.frequency,
    b."timestamp" AS "time",
    extract(epoch FROM b."timestamp")::double precision AS time_unix,
    b."timestamp",
    s.name AS source,
    b.open_price, b.high_price, b.low_price, b.close_price, b.volume,
    b.open_interest, b.turnover, b.tick_count, b.contract_month, b.is_adjusted, b.quality_score,
    b.instrument_id,
    b.data_source_id,
    b.id
FROM instruments AS i
JOIN market_data_bars AS b ON b.instrument_id = i.id
LEFT JOIN data_sources AS s ON s.id = b.data_source_id
WHERE i.deleted_at IS NULL AND b.deleted_at IS NULL;

CREATE VIEW v_alerts AS
SELECT
    i.symbol,
    a."timestamp" AS "time",
    extract(epoch FROM a."timestamp")::double precision AS time_unix,
    a."timestamp",
    s.name AS source,
    a.sequence,
    r.name AS rule,
    a.rule_condition,
    a.trigger_value,
    a.threshold_value,
    a.alert_message,
    a.fired_status,
    a.delivery_status,
    a.error_message,
    a.acknowledged_by,
    a.acknowledgement_note,
    a.silence_id,
    a.rule_id,
    a.instrument_id,
    a.id
FROM alert_logs AS a
LEFT JOIN instruments AS i ON i.id = a.instrument_id
LEFT JOIN alert_rules AS r ON r.id = a.rule_id
LEFT JOIN data_sources AS s ON s.id = a.source_id
WHERE a.deleted_at IS NULL;

-- The ids of symbols, for conditions on large tables.
CREATE VIEW v_instruments AS
SELECT id AS instrument_id, symbol, name, instrument_type, status, price_decimals, calendar
FROM instruments
WHERE deleted_at IS NULL;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261129000040', 'views');
