-- What is archived would be lost.
DO $$
BEGIN
    IF EXISTS (SELECT FROM archive_segments) THEN
        RAISE EXCEPTION 'archive_segments: ticks are archived; bring them back first: tickbase archive restore';
    END IF;
END;
$$;
DROP VIEW v_archived;
DROP TRIGGER market_data_refuse_active_delete ON market_data;
CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data
FOR EACH ROW WHEN (OLD.deleted_at IS NULL)
EXECUTE FUNCTION tickbase_refuse_active_delete();
DROP FUNCTION tickbase_refuse_active_ticks();
DROP TABLE archive_permit;
ALTER TABLE instrument_state DROP COLUMN archived_to;
DROP TABLE archive_parts;
DROP TABLE archive_segments;
DELETE FROM tickbase_schema_migrations WHERE version = '20261130000080';
