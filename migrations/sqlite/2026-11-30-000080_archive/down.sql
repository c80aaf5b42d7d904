-- What is archived would be lost.
CREATE TRIGGER archive_segments_is_empty BEFORE DELETE ON archive_segments
BEGIN
    SELECT RAISE(ABORT, 'archive_segments: ticks are archived; bring them back first: tickbase archive restore');
END;
DELETE FROM archive_segments;
DROP TRIGGER archive_segments_is_empty;

DROP VIEW v_archived;
DROP TRIGGER market_data_refuse_active_delete;
CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'market_data: an active row cannot be deleted; soft-delete it first');
END;
DROP TABLE archive_permit;
ALTER TABLE instrument_state DROP COLUMN archived_to;
DROP TABLE archive_parts;
DROP TABLE archive_segments;
DELETE FROM tickbase_schema_migrations WHERE version = '20261130000080';
