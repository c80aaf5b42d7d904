-- Every soft delete is a batch: the moment that stands in `deleted_at` of its rows is its key. No
-- column and no index is added for it: the trash index of each table finds the rows of a batch.
CREATE TABLE deletions (
    deleted_at TIMESTAMPTZ NOT NULL PRIMARY KEY,
    -- Who: the name of the token, who the caller says it is, and the program with its process id.
    token_name TEXT,
    actor TEXT,
    process TEXT NOT NULL,
    -- Why, and what was asked.
    reason TEXT,
    request TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'undone', 'purged')),
    instruments BIGINT NOT NULL DEFAULT 0,
    rules BIGINT NOT NULL DEFAULT 0,
    alerts BIGINT NOT NULL DEFAULT 0,
    bars BIGINT NOT NULL DEFAULT 0,
    ticks BIGINT NOT NULL DEFAULT 0,
    saved_queries BIGINT NOT NULL DEFAULT 0,
    undone_at TIMESTAMPTZ,
    undone_by TEXT,
    purged_at TIMESTAMPTZ,
    CHECK ((undone_at IS NULL) = (state <> 'undone')),
    CHECK ((purged_at IS NULL) = (state <> 'purged'))
);

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000060', 'deletions');
