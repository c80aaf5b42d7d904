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

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261128000007', 'price_digits');
