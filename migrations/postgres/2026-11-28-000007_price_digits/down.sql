SET LOCAL extra_float_digits = 1; -- A text of a double has all of its digits.
-- Goes back only when no digit is lost. The cast of a double to NUMERIC keeps 15 digits; its text
-- has all of them.
DO $$
BEGIN
    -- Bars of before hold what a 64-bit integer scaled by 10^8 holds.
    IF EXISTS (
        SELECT FROM market_data_bars,
            LATERAL (VALUES (open_price), (high_price), (low_price), (close_price)) AS of_bar (price)
        WHERE abs(price) >= 92233720368
            OR round(price::TEXT::NUMERIC, 8)::DOUBLE PRECISION <> price) THEN
        RAISE EXCEPTION 'market_data_bars: a price has more than 8 places, or is beyond 92233720368; going back would change it: soft-delete and purge the bar, or stay';
    END IF;
    IF EXISTS (
        SELECT FROM (
            SELECT threshold FROM alert_rules
            UNION ALL
            SELECT (part #>> '{}')::NUMERIC FROM alert_rules,
                LATERAL jsonb_path_query(expression::JSONB, '$.**.threshold') AS part
            WHERE expression IS NOT NULL AND part <> 'null') AS thresholds
        WHERE abs(threshold) >= 92233720368 OR round(threshold, 8) <> threshold) THEN
        RAISE EXCEPTION 'alert_rules: a threshold has more than 8 places, or is beyond 92233720368; going back would change it: soft-delete and purge the rule, or stay';
    END IF;
    IF EXISTS (SELECT FROM instruments WHERE price_decimals IS NULL OR price_decimals > 8) THEN
        RAISE EXCEPTION 'instruments: one has no price_decimals, or more than 8; set them to 0 to 8 first, by which its answers are rounded';
    END IF;
END;
$$;

ALTER TABLE market_data_bars
    DROP CONSTRAINT market_data_bars_prices_finite,
    ALTER COLUMN open_price TYPE NUMERIC(20, 8) USING open_price::TEXT::NUMERIC,
    ALTER COLUMN high_price TYPE NUMERIC(20, 8) USING high_price::TEXT::NUMERIC,
    ALTER COLUMN low_price TYPE NUMERIC(20, 8) USING low_price::TEXT::NUMERIC,
    ALTER COLUMN close_price TYPE NUMERIC(20, 8) USING close_price::TEXT::NUMERIC;

ALTER TABLE alert_rules ALTER COLUMN threshold TYPE NUMERIC(20, 8);

ALTER TABLE instruments
    ALTER COLUMN price_decimals SET NOT NULL,
    ALTER COLUMN price_decimals SET DEFAULT 4,
    DROP CONSTRAINT instruments_price_decimals_check,
    ADD CONSTRAINT instruments_price_decimals_check CHECK (price_decimals BETWEEN 0 AND 8);

DELETE FROM tickbase_schema_migrations WHERE version = '20261128000007';
