-- Bars keep the doubles of their ticks, at any magnitude. A price of before, an integer scaled by
-- 10^8, becomes the double nearest to it: up to 2^53 both operands are exact and the division
-- rounds once; beyond it the text is read.
ALTER TABLE market_data_bars RENAME TO market_data_bars_scaled;
DROP TRIGGER market_data_bars_refuse_active_delete;
DROP INDEX market_data_bars_period_active;
DROP INDEX market_data_bars_trash;
CREATE TABLE market_data_bars (
    id INTEGER NOT NULL PRIMARY KEY,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    "timestamp" TIMESTAMP NOT NULL,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    open_price DOUBLE PRECISION NOT NULL,
    high_price DOUBLE PRECISION NOT NULL,
    low_price DOUBLE PRECISION NOT NULL,
    close_price DOUBLE PRECISION NOT NULL,
    volume DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (volume >= 0),
    open_interest DOUBLE PRECISION,
    contract_month TEXT,
    data_source_id BIGINT NOT NULL REFERENCES data_sources (id) ON DELETE RESTRICT,
    is_adjusted BOOLEAN NOT NULL DEFAULT FALSE,
    quality_score INTEGER CHECK (quality_score BETWEEN 0 AND 100),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    turnover DOUBLE PRECISION,
    tick_count BIGINT,
    CHECK (high_price >= open_price AND high_price >= close_price AND high_price >= low_price),
    CHECK (low_price <= open_price AND low_price <= close_price),
    -- The others lie between. What is no number is NULL here, and refused as that.
    CHECK (high_price < 9e999 AND low_price > -9e999)
);
INSERT INTO market_data_bars
SELECT id, instrument_id, "timestamp", frequency,
    iif(open_price BETWEEN -9007199254740992 AND 9007199254740992,
        CAST(open_price AS REAL) / 1e8, CAST(open_price || 'e-8' AS REAL)),
    iif(high_price BETWEEN -9007199254740992 AND 9007199254740992,
        CAST(high_price AS REAL) / 1e8, CAST(high_price || 'e-8' AS REAL)),
    iif(low_price BETWEEN -9007199254740992 AND 9007199254740992,
        CAST(low_price AS REAL) / 1e8, CAST(low_price || 'e-8' AS REAL)),
    iif(close_price BETWEEN -9007199254740992 AND 9007199254740992,
        CAST(close_price AS REAL) / 1e8, CAST(close_price || 'e-8' AS REAL)),
    volume, open_interest, contract_month, data_source_id, is_adjusted, quality_score, created_at,
    updated_at, deleted_at, turnover, tick_count
FROM market_data_bars_scaled ORDER BY id;
DROP TABLE market_data_bars_scaled;
-- bar::range and bar::upsert; one active bar per period and source.
CREATE UNIQUE INDEX market_data_bars_period_active
    ON market_data_bars (instrument_id, frequency, "timestamp", data_source_id)
    WHERE deleted_at IS NULL;
-- purge: rows deleted before a moment.
CREATE INDEX market_data_bars_trash ON market_data_bars (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER market_data_bars_refuse_active_delete BEFORE DELETE ON market_data_bars
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'market_data_bars: an active row cannot be deleted; soft-delete it first');
END;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261128000007', 'price_digits');
