-- Bars that are built from ticks. What they add to a bar: the sum of price times volume, and how
-- many ticks with a price they were made of.
ALTER TABLE market_data_bars ADD COLUMN turnover DOUBLE PRECISION;
ALTER TABLE market_data_bars ADD COLUMN tick_count BIGINT;

-- The greatest built_to of the instrument's series. A batch reads it with the row that it reads
-- anyhow: ticks that are not older concern no series.
ALTER TABLE instruments ADD COLUMN bars_to TIMESTAMP;

-- The source of built bars, so that they stand beside bars of the same periods that came in.
INSERT INTO data_sources (name, provider_type, created_at, updated_at)
VALUES ('tickbase-bars', 'internal', CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- Bars of this frequency were built from ticks for every period in [built_from, built_to), but for
-- those in stale_bars. A period without a tick has no bar.
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

-- Periods of a series whose ticks have changed since: late, deleted or restored ones. The key
-- serves every query.
CREATE TABLE stale_bars (
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    "timestamp" TIMESTAMP NOT NULL,
    PRIMARY KEY (instrument_id, frequency, "timestamp")
) WITHOUT ROWID;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261124000006', 'bar_series');
