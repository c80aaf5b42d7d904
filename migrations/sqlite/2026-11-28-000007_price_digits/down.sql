-- Goes back only when no digit is lost. RAISE needs a trigger.
CREATE TEMP TABLE price_digits_way_back (passes INTEGER);
CREATE TEMP TRIGGER price_digits_way_back_refuse BEFORE INSERT ON price_digits_way_back
BEGIN
    -- Bars of before hold integers scaled by 10^8, of 64 bits.
    SELECT RAISE(ABORT, 'market_data_bars: a price has more than 8 places, or is beyond 92233720368; going back would change it: soft-delete and purge the bar, or stay')
    FROM (SELECT open_price AS price FROM main.market_data_bars
          UNION ALL SELECT high_price FROM main.market_data_bars
          UNION ALL SELECT low_price FROM main.market_data_bars
          UNION ALL SELECT close_price FROM main.market_data_bars)
    WHERE abs(price) >= 92233720368.0
        OR (CAST(printf('%!.8f', price) AS REAL) <> price AND CAST(round(price * 1e8) AS INTEGER) / 1e8 <> price);
END;
INSERT INTO price_digits_way_back VALUES (1);
DROP TABLE price_digits_way_back;

ALTER TABLE market_data_bars RENAME TO market_data_bars_doubles;
DROP TRIGGER market_data_bars_refuse_active_delete;
DROP INDEX market_data_bars_period_active;
DROP INDEX market_data_bars_trash;
CREATE TABLE market_data_bars (
    id INTEGER NOT NULL PRIMARY KEY,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    "timestamp" TIMESTAMP NOT NULL,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    open_price BIGINT NOT NULL,
    high_price BIGINT NOT NULL,
    low_price BIGINT NOT NULL,
    close_price BIGINT NOT NULL,
    volume DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (volume >= 0),
    open_interest DOUBLE PRECISION,
    contract_month TEXT,
    data_source_id BIGINT NOT NULL REFERENCES data_sources (id) ON DELETE RESTRICT,
    is_adjusted BOOLEAN NOT NULL DEFAULT FALSE,
    quality_score INTEGER CHECK (quality_score BETWEEN 0 AND 100),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    CHECK (high_price >= open_price AND high_price >= close_price AND high_price >= low_price),
    CHECK (low_price <= open_price AND low_price <= close_price)
);
ALTER TABLE market_data_bars ADD COLUMN turnover DOUBLE PRECISION;
ALTER TABLE market_data_bars ADD COLUMN tick_count BIGINT;
INSERT INTO market_data_bars
SELECT id, instrument_id, "timestamp", frequency,
    CAST(replace(printf('%!.8f', open_price), '.', '') AS INTEGER),
    CAST(replace(printf('%!.8f', high_price), '.', '') AS INTEGER),
    CAST(replace(printf('%!.8f', low_price), '.', '') AS INTEGER),
    CAST(replace(printf('%!.8f', close_price), '.', '') AS INTEGER),
    volume, open_interest, contract_month, data_source_id, is_adjusted, quality_score, created_at,
    updated_at, deleted_at, turnover, tick_count
FROM market_data_bars_doubles ORDER BY id;
DROP TABLE market_data_bars_doubles;
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

DELETE FROM tickbase_schema_migrations WHERE version = '20261128000007';
