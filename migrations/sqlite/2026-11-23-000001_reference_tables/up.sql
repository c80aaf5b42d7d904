-- Another runner than the one that has migrated a database is told what to do. RAISE needs a
-- trigger.
CREATE TEMP TABLE tickbase_migrated_already (passes INTEGER);
CREATE TEMP TRIGGER tickbase_migrated_already_refuse BEFORE INSERT ON tickbase_migrated_already
BEGIN
    SELECT RAISE(ABORT, 'tickbase has migrated this database already: run `tickbase migrate record-for-diesel`, then other runners of these migrations know it')
    FROM main.sqlite_master WHERE type = 'table' AND name = 'tickbase_schema_migrations';
END;
INSERT INTO tickbase_migrated_already VALUES (1);
DROP TABLE tickbase_migrated_already;

-- tickbase's own schema version, apart from Diesel's table, which the user's
-- own migrations in the same database share.
CREATE TABLE tickbase_schema_migrations (
    version TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TIMESTAMP NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER))
);

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
-- instrument::by_symbol; one active instrument per symbol.
CREATE UNIQUE INDEX instruments_symbol_active ON instruments (symbol) WHERE deleted_at IS NULL;
-- purge: rows deleted before a moment.
CREATE INDEX instruments_trash ON instruments (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER instruments_refuse_active_delete BEFORE DELETE ON instruments
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'instruments: an active row cannot be deleted; soft-delete it first');
END;

CREATE TABLE data_sources (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    provider_type TEXT NOT NULL,
    base_url TEXT,
    rate_limit_per_minute INTEGER NOT NULL DEFAULT 60 CHECK (rate_limit_per_minute >= 0),
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    configuration TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
-- The default source of every tick and bar that names none.
INSERT INTO data_sources (id, name, provider_type, created_at, updated_at)
VALUES (1, 'tickbase', 'internal',
        CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- What the first start finds, in this order.
INSERT INTO instruments (id, symbol, name, instrument_type, created_at, updated_at)
SELECT column1, column2, column3, column4, CAST(unixepoch('subsec') * 1000000 AS INTEGER), CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM (VALUES
    (1, 'ES', 'E-mini S&P 500', 'future'),
    (2, 'NQ', 'E-mini Nasdaq-100', 'future'),
    (3, 'YM', 'E-mini Dow Jones', 'future'),
    (4, 'CL', 'Crude Oil', 'future'),
    (5, 'GC', 'Gold', 'future'),
    (6, 'SPX', 'S&P 500 Index', 'index'),
    (7, 'NDX', 'Nasdaq-100 Index', 'index'),
    (8, 'RUT', 'Russell 2000 Index', 'index'),
    (9, 'VIX', 'CBOE Volatility Index', 'internal'),
    (10, 'TICK', 'NYSE TICK', 'internal'),
    (11, 'ADD', 'NYSE Advancing-Declining Issues', 'internal'),
    (12, 'TRIN', 'Arms Index (TRIN)', 'internal')
) AS seed;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261123000001', 'reference_tables');
