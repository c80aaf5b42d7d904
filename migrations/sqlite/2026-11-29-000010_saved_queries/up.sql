-- Queries for bars that users keep under a name. `symbols` is a JSON array of texts, `filters` a
-- JSON object.
CREATE TABLE saved_queries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description TEXT CHECK (length(description) <= 500),
    symbols TEXT NOT NULL,
    frequency TEXT NOT NULL DEFAULT '1d'
        CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    start_date TIMESTAMP,
    end_date TIMESTAMP,
    filters TEXT,
    is_favorite BOOLEAN NOT NULL DEFAULT FALSE,
    execution_count BIGINT NOT NULL DEFAULT 0 CHECK (execution_count >= 0),
    last_executed TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP
);
-- purge: rows deleted before a moment.
CREATE INDEX saved_queries_trash ON saved_queries (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER saved_queries_refuse_active_delete BEFORE DELETE ON saved_queries
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'saved_queries: an active row cannot be deleted; soft-delete it first');
END;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261129000010', 'saved_queries');
