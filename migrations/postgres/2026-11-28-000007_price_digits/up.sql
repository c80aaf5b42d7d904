-- Bars keep the doubles of their ticks, at any magnitude. A price of before becomes the double
-- nearest to it: the cast reads the text of the decimal.
ALTER TABLE market_data_bars
    ALTER COLUMN open_price TYPE DOUBLE PRECISION USING open_price::DOUBLE PRECISION,
    ALTER COLUMN high_price TYPE DOUBLE PRECISION USING high_price::DOUBLE PRECISION,
    ALTER COLUMN low_price TYPE DOUBLE PRECISION USING low_price::DOUBLE PRECISION,
    ALTER COLUMN close_price TYPE DOUBLE PRECISION USING close_price::DOUBLE PRECISION,
    -- The others lie between. NaN is above Infinity here.
    ADD CONSTRAINT market_data_bars_prices_finite CHECK (
        high_price < 'Infinity' AND low_price > '-Infinity');

-- Bars that were built from prices with more than 8 places had lost digits. Their turnover had not:
-- over the volume it is the mean of the ticks, which lies between the true low and high. Where it
-- does not, all that was built for the instrument is stale, and built anew from its ticks.
INSERT INTO stale_bars (instrument_id, frequency, "timestamp")
SELECT instrument_id, frequency, "timestamp" FROM market_data_bars
WHERE deleted_at IS NULL
    AND data_source_id = (SELECT id FROM data_sources WHERE name = 'tickbase-bars')
    AND instrument_id IN (
        SELECT instrument_id FROM (
            SELECT instrument_id, low_price, high_price, turnover / volume AS mean
            FROM market_data_bars
            WHERE deleted_at IS NULL AND volume > 0
                AND data_source_id = (SELECT id FROM data_sources WHERE name = 'tickbase-bars')) AS built
        WHERE mean < low_price - 1e-11 * abs(mean) OR mean > high_price + 1e-11 * abs(mean))
ON CONFLICT DO NOTHING;

-- Thresholds are exact decimals of any magnitude.
ALTER TABLE alert_rules ALTER COLUMN threshold TYPE NUMERIC;

-- Places are a choice; without one, answers show what is stored.
ALTER TABLE instruments
    ALTER COLUMN price_decimals DROP NOT NULL,
    ALTER COLUMN price_decimals DROP DEFAULT,
    DROP CONSTRAINT instruments_price_decimals_check,
    ADD CONSTRAINT instruments_price_decimals_check CHECK (price_decimals BETWEEN 0 AND 15);

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261128000007', 'price_digits');
