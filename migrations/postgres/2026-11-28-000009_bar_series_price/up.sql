-- Bars are built of prices of trades, and of bid, ask or their middle, too: each has a series and a
-- data source of its own, so that they stand beside each other.
INSERT INTO data_sources (name, provider_type, created_at, updated_at)
VALUES ('tickbase-bars-bid', 'internal', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
       ('tickbase-bars-ask', 'internal', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
       ('tickbase-bars-mid', 'internal', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);

ALTER TABLE bar_series ADD COLUMN price TEXT NOT NULL DEFAULT 'last'
    CHECK (price IN ('last', 'bid', 'ask', 'mid'));
ALTER TABLE bar_series DROP CONSTRAINT bar_series_pkey;
ALTER TABLE bar_series ADD PRIMARY KEY (instrument_id, frequency, price);

-- The columns stand in the order of the key, as on SQLite.
CREATE TEMPORARY TABLE stale_bars_before AS SELECT * FROM stale_bars;
DROP TABLE stale_bars;
CREATE TABLE stale_bars (
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    price TEXT NOT NULL DEFAULT 'last' CHECK (price IN ('last', 'bid', 'ask', 'mid')),
    "timestamp" TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (instrument_id, frequency, price, "timestamp")
);
INSERT INTO stale_bars (instrument_id, frequency, "timestamp")
SELECT instrument_id, frequency, "timestamp" FROM stale_bars_before;
DROP TABLE stale_bars_before;

INSERT INTO tickbase_schema_migrations (version, name)
VALUES ('20261128000009', 'bar_series_price');
