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
    SELECT RAISE(ABORT, 'alert_rules: a threshold has more than 8 places, or is beyond 92233720368; going back would change it: soft-delete and purge the rule, or stay')
    FROM (SELECT threshold FROM main.alert_rules
          UNION ALL
          SELECT trim(expression -> fullkey, '"') FROM main.alert_rules, json_tree(expression)
          WHERE expression IS NOT NULL AND key = 'threshold' AND type IN ('text', 'integer', 'real'))
    WHERE abs(CAST(threshold AS REAL)) >= 92233720368.0
        OR iif(threshold LIKE '%e%',
               CAST(printf('%!.8f', CAST(threshold AS REAL)) AS REAL) <> CAST(threshold AS REAL),
               instr(threshold, '.') > 0
               AND length(rtrim(substr(threshold, instr(threshold, '.') + 1), '0')) > 8);
    SELECT RAISE(ABORT, 'instruments: one has no price_decimals, or more than 8; set them to 0 to 8 first, by which its answers are rounded')
    FROM main.instruments WHERE price_decimals IS NULL OR price_decimals > 8;
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
    CAST(substr(open_text, 1, instr(open_text, '.') - 1)
         || substr(substr(open_text, instr(open_text, '.') + 1) || '00000000', 1, 8) AS INTEGER),
    CAST(substr(high_text, 1, instr(high_text, '.') - 1)
         || substr(substr(high_text, instr(high_text, '.') + 1) || '00000000', 1, 8) AS INTEGER),
    CAST(substr(low_text, 1, instr(low_text, '.') - 1)
         || substr(substr(low_text, instr(low_text, '.') + 1) || '00000000', 1, 8) AS INTEGER),
    CAST(substr(close_text, 1, instr(close_text, '.') - 1)
         || substr(substr(close_text, instr(close_text, '.') + 1) || '00000000', 1, 8) AS INTEGER),
    volume, open_interest, contract_month, data_source_id, is_adjusted, quality_score, created_at,
    updated_at, deleted_at, turnover, tick_count
FROM (SELECT *, printf('%!.8f', open_price) AS open_text, printf('%!.8f', high_price) AS high_text,
             printf('%!.8f', low_price) AS low_text, printf('%!.8f', close_price) AS close_text
      FROM market_data_bars_doubles)
ORDER BY id;
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

-- Both tables are made anew under their own names, which others refer to.
CREATE TEMP TABLE sequences_before AS
SELECT name, seq FROM sqlite_sequence WHERE name IN ('instruments', 'alert_rules');

CREATE TEMP TABLE instruments_before AS SELECT * FROM instruments;
DROP TABLE instruments;
CREATE TABLE instruments (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL CHECK (length(symbol) BETWEEN 1 AND 32 AND symbol = upper(symbol)),
    name TEXT NOT NULL,
    instrument_type TEXT NOT NULL
        CHECK (instrument_type IN ('future', 'index', 'internal', 'equity', 'fx', 'crypto')),
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'error')),
    price_decimals INTEGER NOT NULL DEFAULT 4 CHECK (price_decimals BETWEEN 0 AND 8),
    last_tick TIMESTAMP,
    last_price DOUBLE PRECISION,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP
);
ALTER TABLE instruments ADD COLUMN rules_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instruments ADD COLUMN ticks_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instruments ADD COLUMN bars_to TIMESTAMP;

INSERT INTO instruments
SELECT id, symbol, name, instrument_type, status, price_decimals, last_tick, last_price, created_at,
    updated_at, deleted_at, rules_version, ticks_version, bars_to
FROM temp.instruments_before ORDER BY id;
DROP TABLE temp.instruments_before;
-- instrument::by_symbol; one active instrument per symbol.
CREATE UNIQUE INDEX instruments_symbol_active ON instruments (symbol) WHERE deleted_at IS NULL;
-- purge: rows deleted before a moment.
CREATE INDEX instruments_trash ON instruments (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER instruments_refuse_active_delete BEFORE DELETE ON instruments
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'instruments: an active row cannot be deleted; soft-delete it first');
END;

CREATE TEMP TABLE alert_rules_before AS SELECT * FROM alert_rules;
DROP TABLE alert_rules;
-- The threshold is an integer scaled by 10^8.
CREATE TABLE alert_rules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    rule_type TEXT NOT NULL CHECK (rule_type IN
        ('threshold', 'crossover', 'rate_of_change', 'volume_spike', 'multi_condition')),
    condition TEXT CHECK (condition IN
        ('above', 'below', 'equals', 'crosses_above', 'crosses_below',
         'percent_change_up', 'percent_change_down', 'volume_above')),
    threshold BIGINT,
    expression TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    name TEXT CHECK (length(name) <= 100),
    description TEXT,
    time_window_seconds INTEGER CHECK (time_window_seconds BETWEEN 1 AND 3600),
    moving_average_period INTEGER CHECK (moving_average_period BETWEEN 1 AND 1000),
    cooldown_seconds INTEGER NOT NULL DEFAULT 60 CHECK (cooldown_seconds BETWEEN 0 AND 3600),
    last_triggered TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    CHECK ((rule_type = 'multi_condition') = (expression IS NOT NULL)),
    CHECK ((rule_type = 'multi_condition') = (condition IS NULL))
);
INSERT INTO alert_rules
SELECT id, instrument_id, rule_type, condition,
    CAST(iif(instr(threshold, '.') = 0, threshold || '00000000',
             substr(threshold, 1, instr(threshold, '.') - 1)
             || substr(substr(threshold, instr(threshold, '.') + 1) || '00000000', 1, 8))
         AS INTEGER),
    expression, active, name, description, time_window_seconds, moving_average_period,
    cooldown_seconds, last_triggered, created_at, updated_at, deleted_at
FROM temp.alert_rules_before ORDER BY id;
DROP TABLE temp.alert_rules_before;
-- alert_rule::of_instruments: the rules of the instruments of a batch.
CREATE INDEX alert_rules_instrument_active ON alert_rules (instrument_id) WHERE deleted_at IS NULL;
-- purge: rows deleted before a moment.
CREATE INDEX alert_rules_trash ON alert_rules (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER alert_rules_refuse_active_delete BEFORE DELETE ON alert_rules
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'alert_rules: an active row cannot be deleted; soft-delete it first');
END;

-- Numbers that were given once are not given again.
DELETE FROM sqlite_sequence WHERE name IN ('instruments', 'alert_rules');
INSERT INTO sqlite_sequence (name, seq) SELECT name, seq FROM temp.sequences_before;
DROP TABLE temp.sequences_before;

DELETE FROM tickbase_schema_migrations WHERE version = '20261128000007';
