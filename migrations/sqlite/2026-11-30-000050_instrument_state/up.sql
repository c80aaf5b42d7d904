-- What each batch of ticks changes of an instrument stands in a small row of its own: `instruments`
-- says what an instrument is, and is seldom written.
CREATE TABLE instrument_state (
    instrument_id INTEGER NOT NULL PRIMARY KEY
        REFERENCES instruments (id) ON DELETE CASCADE ON UPDATE CASCADE,
    -- The newest active tick.
    last_tick TIMESTAMP,
    last_price DOUBLE PRECISION,
    -- Raised by each change of its rules, and of its ticks and bars: memory stands for a version.
    rules_version BIGINT NOT NULL DEFAULT 0,
    ticks_version BIGINT NOT NULL DEFAULT 0,
    -- The end of its built bars: a tick before it makes one of them stale.
    bars_to TIMESTAMP,
    -- Whether the instrument is in the trash. It follows by the trigger below, so that a batch reads
    -- one row for each instrument.
    is_deleted BOOLEAN NOT NULL DEFAULT FALSE
);
INSERT INTO instrument_state
SELECT id, last_tick, last_price, rules_version, ticks_version, bars_to, deleted_at IS NOT NULL
FROM instruments ORDER BY id;
ALTER TABLE instruments DROP COLUMN last_tick;
ALTER TABLE instruments DROP COLUMN last_price;
ALTER TABLE instruments DROP COLUMN rules_version;
ALTER TABLE instruments DROP COLUMN ticks_version;
ALTER TABLE instruments DROP COLUMN bars_to;

CREATE TRIGGER instruments_add_state AFTER INSERT ON instruments
BEGIN
    INSERT INTO instrument_state (instrument_id, is_deleted)
    VALUES (NEW.id, NEW.deleted_at IS NOT NULL);
END;
CREATE TRIGGER instruments_follow_deletion AFTER UPDATE OF deleted_at ON instruments
WHEN (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)
BEGIN
    UPDATE instrument_state SET is_deleted = NEW.deleted_at IS NOT NULL
    WHERE instrument_id = NEW.id;
END;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000050', 'instrument_state');
