-- The guard of active ticks runs behind the deletion of a row, not before it: SQLite seeks each row a
-- second time behind a trigger that runs before. An active row still fails the whole statement.
DROP TRIGGER market_data_refuse_active_delete;
CREATE TRIGGER market_data_refuse_active_delete AFTER DELETE ON market_data
WHEN OLD.deleted_at IS NULL AND NOT coalesce((SELECT permitted FROM archive_permit), FALSE)
BEGIN
    SELECT RAISE(ABORT, 'market_data: an active row cannot be deleted; soft-delete it first');
END;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261201000110', 'delete_guard');
