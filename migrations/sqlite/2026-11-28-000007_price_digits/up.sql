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

-- Bars that were built from prices with more than 8 places had lost digits. Their turnover had not:
-- over the volume it is the mean of the ticks, which lies between the true low and high. Where it
-- does not, all that was built for the instrument is stale, and built anew from its ticks.
INSERT OR IGNORE INTO stale_bars (instrument_id, frequency, "timestamp")
SELECT instrument_id, frequency, "timestamp" FROM market_data_bars
WHERE deleted_at IS NULL
    AND data_source_id = (SELECT id FROM data_sources WHERE name = 'tickbase-bars')
    AND instrument_id IN (
        SELECT instrument_id FROM (
            SELECT instrument_id, low_price, high_price, turnover / volume AS mean
            FROM market_data_bars
            WHERE deleted_at IS NULL AND volume > 0
                AND data_source_id = (SELECT id FROM data_sources WHERE name = 'tickbase-bars'))
        WHERE mean < low_price - 1e-11 * abs(mean) OR mean > high_price + 1e-11 * abs(mean));

-- Both tables are made anew under their own names, which others refer to.
CREATE TEMP TABLE sequences_before AS
SELECT name, seq FROM sqlite_sequence WHERE name IN ('instruments', 'alert_rules');

-- Places are a choice; without one, answers show what is stored.
CREATE TEMP TABLE instruments_before AS SELECT * FROM instruments;
DROP TABLE instruments;
CREATE TABLE instruments (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL CHECK (length(symbol) BETWEEN 1 AND 32 AND symbol = upper(symbol)),
    name TEXT NOT NULL,
    instrument_type TEXT NOT NULL
        CHECK (instrument_type IN ('future', 'index', 'internal', 'equity', 'fx', 'crypto')),
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'error')),
    price_decimals INTEGER CHECK (price_decimals BETWEEN 0 AND 15),
    last_tick TIMESTAMP,
    last_price DOUBLE PRECISION,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    rules_version BIGINT NOT NULL DEFAULT 0,
    ticks_version BIGINT NOT NULL DEFAULT 0,
    bars_to TIMESTAMP
);

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

-- Thresholds are the digits of exact decimals, of any magnitude.
CREATE TEMP TABLE alert_rules_before AS SELECT * FROM alert_rules;
DROP TABLE alert_rules;
CREATE TABLE alert_rules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    rule_type TEXT NOT NULL CHECK (rule_type IN
        ('threshold', 'crossover', 'rate_of_change', 'volume_spike', 'multi_condition')),
    condition TEXT CHECK (condition IN
        ('above', 'below', 'equals', 'crosses_above', 'crosses_below',
         'percent_change_up', 'percent_change_down', 'volume_above')),
    threshold TEXT,
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
    iif(threshold < 0, '-', '') || abs(threshold / 100000000)
        || rtrim(rtrim(printf('.%08d', abs(threshold % 100000000)), '0'), '.'),
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

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261128000007', 'price_digits');
