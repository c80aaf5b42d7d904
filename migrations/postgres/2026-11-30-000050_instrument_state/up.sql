-- What each batch of ticks changes of an instrument stands in a small row of its own: `instruments`
-- says what an instrument is, and is seldom written. Writers of an instrument take turns by a lock
-- of this row, too.
CREATE TABLE instrument_state (
    instrument_id BIGINT NOT NULL PRIMARY KEY
        REFERENCES instruments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    -- The newest active tick.
    last_tick TIMESTAMPTZ,
    last_price DOUBLE PRECISION,
    -- Raised by each change of its rules, and of its ticks and bars: memory stands for a version.
    rules_version BIGINT NOT NULL DEFAULT 0,
    ticks_version BIGINT NOT NULL DEFAULT 0,
    -- The end of its built bars: a tick before it makes one of them stale.
    bars_to TIMESTAMPTZ,
    -- Whether the instrument is in the trash. It follows by the trigger below, so that a batch locks
    -- and reads one row for each instrument: of a join, it would see the other row as it was before
    -- it waited.
    is_deleted BOOLEAN NOT NULL DEFAULT FALSE
-- A page keeps room for the next versions of its rows, so that no index entry is written for them.
) WITH (fillfactor = 50);
INSERT INTO instrument_state
SELECT id, last_tick, last_price, rules_version, ticks_version, bars_to, deleted_at IS NOT NULL
FROM instruments ORDER BY id;
ALTER TABLE instruments
    DROP COLUMN last_tick,
    DROP COLUMN last_price,
    DROP COLUMN rules_version,
    DROP COLUMN ticks_version,
    DROP COLUMN bars_to;

CREATE FUNCTION tickbase_instrument_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO instrument_state (instrument_id, is_deleted)
    VALUES (NEW.id, NEW.deleted_at IS NOT NULL);
    RETURN NULL;
END;
$$;
CREATE FUNCTION tickbase_instrument_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE instrument_state SET is_deleted = NEW.deleted_at IS NOT NULL
    WHERE instrument_id = NEW.id;
    RETURN NULL;
END;
$$;

-- As before, but the parent that an insertion of ticks locks is the row that its batch has locked
-- anyway: a lock of another row is a write to it.
CREATE OR REPLACE FUNCTION tickbase_require_parents(instrument_ids BIGINT[], source_ids BIGINT[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    held BIGINT[];
    absent BIGINT;
BEGIN
    -- In the order of the ids, so that nobody waits in a circle.
    held := ARRAY(SELECT instrument_id FROM instrument_state WHERE instrument_id = ANY (instrument_ids)
                  ORDER BY instrument_id FOR KEY SHARE);
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
CREATE OR REPLACE FUNCTION tickbase_ticks_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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
        PERFORM FROM instrument_state, data_sources
            WHERE instrument_state.instrument_id = one_instrument AND data_sources.id = one_source
            FOR KEY SHARE;
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
-- A function that is replaced loses its settings.
ALTER FUNCTION tickbase_ticks_inserted() SET enable_sort = off;
-- They run as the owner of the tables, and find these tables whatever the search path of the session.
DO $$
DECLARE
    signature TEXT;
BEGIN
    FOREACH signature IN ARRAY ARRAY['tickbase_require_parents(BIGINT[], BIGINT[])',
        'tickbase_ticks_inserted()', 'tickbase_instrument_added()', 'tickbase_instrument_deleted()']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', signature,
                       current_schema());
    END LOOP;
END;
$$;
CREATE TRIGGER instruments_add_state AFTER INSERT ON instruments FOR EACH ROW
EXECUTE FUNCTION tickbase_instrument_added();
CREATE TRIGGER instruments_follow_deletion AFTER UPDATE OF deleted_at ON instruments FOR EACH ROW
WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL))
EXECUTE FUNCTION tickbase_instrument_deleted();

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000050', 'instrument_state');
