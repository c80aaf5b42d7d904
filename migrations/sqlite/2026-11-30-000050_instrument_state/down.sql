DROP TRIGGER instruments_follow_deletion;
DROP TRIGGER instruments_add_state;
ALTER TABLE instruments ADD COLUMN last_tick TIMESTAMP;
ALTER TABLE instruments ADD COLUMN last_price DOUBLE PRECISION;
ALTER TABLE instruments ADD COLUMN rules_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instruments ADD COLUMN ticks_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instruments ADD COLUMN bars_to TIMESTAMP;
UPDATE instruments SET last_tick = s.last_tick, last_price = s.last_price,
    rules_version = s.rules_version, ticks_version = s.ticks_version, bars_to = s.bars_to
FROM instrument_state AS s WHERE s.instrument_id = instruments.id;
DROP TABLE instrument_state;
DELETE FROM tickbase_schema_migrations WHERE version = '20261130000050';
