-- Ticks. The identity is the key: no surrogate id, clustered by the key, which is
-- also the order of every read. No secondary index but the trash one.
CREATE TABLE market_data (
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    "timestamp" TIMESTAMP NOT NULL,
    source_id BIGINT NOT NULL REFERENCES data_sources (id) ON DELETE RESTRICT,
    sequence BIGINT NOT NULL,
    price DOUBLE PRECISION,
    volume DOUBLE PRECISION,
    bid DOUBLE PRECISION,
    ask DOUBLE PRECISION,
    bid_size DOUBLE PRECISION,
    ask_size DOUBLE PRECISION,
    open_price DOUBLE PRECISION,
    high_price DOUBLE PRECISION,
    low_price DOUBLE PRECISION,
    deleted_at TIMESTAMP,
    PRIMARY KEY (instrument_id, "timestamp", source_id, sequence)
) WITHOUT ROWID;
-- purge: rows deleted before a moment.
CREATE INDEX market_data_trash ON market_data (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'market_data: an active row cannot be deleted; soft-delete it first');
END;

-- Answers of batches sent with an idempotency key, kept for 24 hours.
CREATE TABLE ingest_batches (
    idempotency_key TEXT NOT NULL PRIMARY KEY CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    response TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
-- ingest_batch::expire: keys older than a moment.
CREATE INDEX ingest_batches_created ON ingest_batches (created_at);

-- Prices are integers scaled by 10^8.
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

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261123000002', 'market_data');
