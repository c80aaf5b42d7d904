-- Ticks. The identity is the key: no surrogate id. No secondary index but the trash one.
-- instrument_id and source_id refer to instruments and data_sources: the triggers below hold that.
CREATE TABLE market_data (
    instrument_id BIGINT NOT NULL,
    "timestamp" TIMESTAMPTZ NOT NULL,
    source_id BIGINT NOT NULL,
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
    deleted_at TIMESTAMPTZ,
    PRIMARY KEY (instrument_id, "timestamp", source_id, sequence)
);
-- purge: rows deleted before a moment.
CREATE INDEX market_data_trash ON market_data (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data
FOR EACH ROW WHEN (OLD.deleted_at IS NULL)
EXECUTE FUNCTION tickbase_refuse_active_delete();
CREATE TRIGGER market_data_refuse_truncate BEFORE TRUNCATE ON market_data
FOR EACH STATEMENT EXECUTE FUNCTION tickbase_refuse_truncate();

-- What foreign keys would hold, at a fraction of their price: those look up both parents of each
-- row, these of each statement. As a foreign key does, an insertion locks the parents FOR KEY
-- SHARE: a deletion waits for its commit and then finds the ticks, or the insertion waits for the
-- deletion's and then misses the parent.
-- Limits: rows that go straight into a partition do not pass the statement trigger of the table,
-- so write through the table once it has partitions (COPY then stores row by row). A transaction
-- that deletes a parent, or changes its id, must be READ COMMITTED: another would not see the
-- newest ticks, and is refused.
CREATE FUNCTION tickbase_require_parents(instrument_ids BIGINT[], source_ids BIGINT[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    held BIGINT[];
    absent BIGINT;
BEGIN
    -- In the order of the ids, so that nobody waits in a circle.
    held := ARRAY(SELECT id FROM instruments WHERE id = ANY (instrument_ids)
                  ORDER BY id FOR KEY SHARE);
    IF cardinality(held) < cardinality(instrument_ids) THEN
        SELECT min(id) INTO absent FROM unnest(instrument_ids) AS id WHERE id <> ALL (held);
        RAISE EXCEPTION 'market_data: instrument % is not there; add it first', absent
            USING ERRCODE = 'foreign_key_violation', TABLE = 'market_data',
                COLUMN = 'instrument_id', CONSTRAINT = 'market_data_instrument_id_fkey';
    END IF;
    held := ARRAY(SELECT id FROM data_sources WHERE id = ANY (source_ids)
                  ORDER BY id FOR KEY SHARE);
    IF cardinality(held) < cardinality(source_ids) THEN
        SELECT min(id) INTO absent FROM unnest(source_ids) AS id WHERE id <> ALL (held);
        RAISE EXCEPTION 'market_data: data source % is not there; add it first', absent
            USING ERRCODE = 'foreign_key_violation', TABLE = 'market_data',
                COLUMN = 'source_id', CONSTRAINT = 'market_data_source_id_fkey';
    END IF;
END;
$$;
CREATE FUNCTION tickbase_ticks_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    first_rows INTEGER;
    one_instrument BIGINT;
    one_source BIGINT;
    instrument_ids BIGINT[];
    source_ids BIGINT[];
BEGIN
    SELECT count(*), min(instrument_id), min(source_id)
        INTO first_rows, one_instrument, one_source
        FROM (SELECT instrument_id, source_id FROM inserted LIMIT 2) AS first_two;
    IF first_rows = 0 THEN
        RETURN NULL;
    ELSIF first_rows = 1 THEN -- A lone tick takes a third of the time this way.
        PERFORM FROM instruments, data_sources
            WHERE instruments.id = one_instrument AND data_sources.id = one_source FOR KEY SHARE;
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    -- The inner DISTINCT hashes the rows, the outer ones sort the few pairs that are left.
    SELECT array_agg(DISTINCT instrument_id), array_agg(DISTINCT source_id)
        INTO instrument_ids, source_ids
        FROM (SELECT DISTINCT instrument_id, source_id FROM inserted) AS parents;
    PERFORM tickbase_require_parents(instrument_ids, source_ids);
    RETURN NULL;
END;
$$;
-- The plan is made for the first statement of a session and kept: for a small one it would sort.
ALTER FUNCTION tickbase_ticks_inserted() SET enable_sort = off;
CREATE FUNCTION tickbase_tick_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM tickbase_require_parents(ARRAY[NEW.instrument_id], ARRAY[NEW.source_id]);
    RETURN NULL;
END;
$$;
-- Its argument is the column of market_data that refers to the row.
CREATE FUNCTION tickbase_refuse_referred() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    is_referred BOOLEAN;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION '%: to delete a row, or to change its id, use a READ COMMITTED transaction',
            TG_TABLE_NAME USING ERRCODE = 'feature_not_supported';
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM market_data WHERE %I = $1)', TG_ARGV[0])
        INTO is_referred USING OLD.id;
    IF is_referred THEN
        RAISE EXCEPTION '%: ticks refer to row %; soft-delete and purge them first',
            TG_TABLE_NAME, OLD.id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'market_data',
                COLUMN = TG_ARGV[0], CONSTRAINT = format('market_data_%s_fkey', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END;
$$;
-- They run as the owner of the tables, as foreign keys do, and find these tables whatever the
-- search path of the session.
DO $$
DECLARE
    signature TEXT;
BEGIN
    FOREACH signature IN ARRAY ARRAY['tickbase_require_parents(BIGINT[], BIGINT[])',
        'tickbase_ticks_inserted()', 'tickbase_tick_moved()', 'tickbase_refuse_referred()']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', signature,
                       current_schema());
    END LOOP;
END;
$$;
CREATE TRIGGER market_data_refers_insert AFTER INSERT ON market_data
REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
EXECUTE FUNCTION tickbase_ticks_inserted();
-- By row, so that only rows that move are queued: nothing of ours moves one.
CREATE TRIGGER market_data_refers_update AFTER UPDATE ON market_data FOR EACH ROW
WHEN (OLD.instrument_id <> NEW.instrument_id OR OLD.source_id <> NEW.source_id)
EXECUTE FUNCTION tickbase_tick_moved();
CREATE TRIGGER instruments_referred_delete AFTER DELETE ON instruments FOR EACH ROW
EXECUTE FUNCTION tickbase_refuse_referred('instrument_id');
CREATE TRIGGER instruments_referred_update AFTER UPDATE ON instruments FOR EACH ROW
WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION tickbase_refuse_referred('instrument_id');
CREATE TRIGGER data_sources_referred_delete AFTER DELETE ON data_sources FOR EACH ROW
EXECUTE FUNCTION tickbase_refuse_referred('source_id');
CREATE TRIGGER data_sources_referred_update AFTER UPDATE ON data_sources FOR EACH ROW
WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION tickbase_refuse_referred('source_id');

-- Answers of batches sent with an idempotency key, kept for 24 hours.
CREATE TABLE ingest_batches (
    idempotency_key TEXT NOT NULL PRIMARY KEY CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    response TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
-- ingest_batch::expire: keys older than a moment.
CREATE INDEX ingest_batches_created ON ingest_batches (created_at);

CREATE TABLE market_data_bars (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    "timestamp" TIMESTAMPTZ NOT NULL,
    frequency TEXT NOT NULL
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    open_price NUMERIC(20, 8) NOT NULL,
    high_price NUMERIC(20, 8) NOT NULL,
    low_price NUMERIC(20, 8) NOT NULL,
    close_price NUMERIC(20, 8) NOT NULL,
    volume DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (volume >= 0),
    open_interest DOUBLE PRECISION,
    contract_month TEXT,
    data_source_id BIGINT NOT NULL REFERENCES data_sources (id) ON DELETE RESTRICT,
    is_adjusted BOOLEAN NOT NULL DEFAULT FALSE,
    quality_score INTEGER CHECK (quality_score BETWEEN 0 AND 100),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ,
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
FOR EACH ROW WHEN (OLD.deleted_at IS NULL)
EXECUTE FUNCTION tickbase_refuse_active_delete();
CREATE TRIGGER market_data_bars_refuse_truncate BEFORE TRUNCATE ON market_data_bars
FOR EACH STATEMENT EXECUTE FUNCTION tickbase_refuse_truncate();

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261123000002', 'market_data');
