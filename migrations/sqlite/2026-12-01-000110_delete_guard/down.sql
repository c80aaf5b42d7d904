DROP TRIGGER market_data_refuse_active_delete;
CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data
WHEN OLD.deleted_at IS NULL AND NOT coalesce((SELECT permitted FROM archive_permit), FALSE)
BEGIN
    SELECT RAISE(ABORT, 'market_data: an active row cannot be deleted; soft-delete it first');
END;

DELETE FROM tickbase_schema_migrations WHERE version = '20261201000110';
