-- What is archived: one row for an instrument and a period, whose ticks lie in one Parquet file. The row
-- is the lock of the period, too: `owner` and `claimed_until` say who works at it, and how long nobody
-- else may.
CREATE TABLE archive_segments (
    id INTEGER NOT NULL PRIMARY KEY,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    starts_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    -- `writing`: the file is being made; `removing`: it is read, and the rows that it holds are removed
    -- from market_data; `archived`: they are.
    state TEXT NOT NULL CHECK (state IN ('writing', 'removing', 'archived')),
    owner TEXT,
    claimed_until TIMESTAMP,
    -- The version of the file; 0 before there is one. `rows`, `bytes` and `sha256` are of it.
    version BIGINT NOT NULL DEFAULT 0,
    rows BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0,
    sha256 TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    UNIQUE (instrument_id, starts_at),
    CHECK (starts_at < ends_at),
    CHECK ((owner IS NULL) = (claimed_until IS NULL)),
    CHECK ((version = 0) = (sha256 IS NULL))
);
-- undo, trash and purge: segments deleted at a moment.
CREATE INDEX archive_segments_trash ON archive_segments (deleted_at) WHERE deleted_at IS NOT NULL;

-- The bytes of the files, so that one transaction, one snapshot and one backup have all of it.
CREATE TABLE archive_parts (
    segment_id BIGINT NOT NULL REFERENCES archive_segments (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    part BIGINT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (segment_id, version, part)
);

-- Everything before it may be archived: a tick from before it is looked up in the archive, too.
ALTER TABLE instrument_state ADD COLUMN archived_to TIMESTAMP;

-- Whether active ticks may be deleted: while a transaction takes those away that a file holds. It is
-- never true for anybody else.
CREATE TABLE archive_permit (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    permitted BOOLEAN NOT NULL
);
INSERT INTO archive_permit (only_row, permitted) VALUES (1, FALSE);
DROP TRIGGER market_data_refuse_active_delete;
CREATE TRIGGER market_data_refuse_active_delete BEFORE DELETE ON market_data
WHEN OLD.deleted_at IS NULL AND NOT coalesce((SELECT permitted FROM archive_permit), FALSE)
BEGIN
    SELECT RAISE(ABORT, 'market_data: an active row cannot be deleted; soft-delete it first');
END;

-- What of the ticks is archived, for readers of SQL: v_ticks has those that are not.
CREATE VIEW v_archived AS
SELECT
    i.symbol,
    s.starts_at,
    s.ends_at,
    s.rows,
    s.bytes,
    s.instrument_id,
    s.id
FROM archive_segments AS s
JOIN instruments AS i ON i.id = s.instrument_id
WHERE i.deleted_at IS NULL AND s.deleted_at IS NULL AND s.version > 0;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000080', 'archive');
