CREATE TEMPORARY TABLE stale_bars_before AS SELECT * FROM stale_bars;
DROP TABLE stale_bars;
CREATE TABLE stale_bars (
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    "timestamp" TIMESTAMP NOT NULL,
    PRIMARY KEY (instrument_id, frequency, "timestamp")
) WITHOUT ROWID;
INSERT INTO stale_bars (instrument_id, frequency, "timestamp")
SELECT instrument_id, frequency, "timestamp" FROM stale_bars_before WHERE price = 'last';
DROP TABLE stale_bars_before;

CREATE TEMPORARY TABLE bar_series_before AS SELECT * FROM bar_series;
DROP TABLE bar_series;
CREATE TABLE bar_series (
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    built_from TIMESTAMP NOT NULL,
    built_to TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (instrument_id, frequency),
    CHECK (built_from <= built_to)
) WITHOUT ROWID;
INSERT INTO bar_series (instrument_id, frequency, built_from, built_to, updated_at)
SELECT instrument_id, frequency, built_from, built_to, updated_at FROM bar_series_before
WHERE price = 'last';
DROP TABLE bar_series_before;

-- Built bars can be built again. An active row is not deleted, so they go by way of the trash.
UPDATE market_data_bars SET deleted_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE deleted_at IS NULL
    AND data_source_id IN (SELECT id FROM data_sources
        WHERE name IN ('tickbase-bars-bid', 'tickbase-bars-ask', 'tickbase-bars-mid'));
DELETE FROM market_data_bars
WHERE deleted_at IS NOT NULL
    AND data_source_id IN (SELECT id FROM data_sources
        WHERE name IN ('tickbase-bars-bid', 'tickbase-bars-ask', 'tickbase-bars-mid'));
DELETE FROM data_sources
WHERE name IN ('tickbase-bars-bid', 'tickbase-bars-ask', 'tickbase-bars-mid');
UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM data_sources)
WHERE name = 'data_sources';
DELETE FROM tickbase_schema_migrations WHERE version = '20261128000009';
