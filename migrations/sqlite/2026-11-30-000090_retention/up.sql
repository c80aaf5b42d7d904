-- How long ticks and bars stay. Of the policies that hold for a tick or a bar the most specific one counts:
-- one of its instrument, then one of its source, then one of its frequency, then one of all.
CREATE TABLE retention_policies (
    id INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('ticks', 'bars')),
    -- Without one it holds for all.
    instrument_id BIGINT REFERENCES instruments (id) ON DELETE CASCADE,
    data_source_id BIGINT REFERENCES data_sources (id) ON DELETE RESTRICT,
    frequency TEXT CHECK (frequency IN ('1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    -- The age at which ticks are archived, and at which ticks or bars are deleted; without one, never.
    archive_after_seconds BIGINT CHECK (archive_after_seconds > 0),
    delete_after_seconds BIGINT CHECK (delete_after_seconds > 0),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    -- A file of the archive has the ticks of all sources.
    CHECK (kind = 'bars' OR (data_source_id IS NULL AND frequency IS NULL)),
    CHECK (kind = 'ticks' OR archive_after_seconds IS NULL)
);
CREATE UNIQUE INDEX retention_policies_subject ON retention_policies (
    kind, coalesce(instrument_id, 0), coalesce(data_source_id, 0), coalesce(frequency, '')
);

-- What retention has deleted of what bars are made of, by its batch: ticks, or bars of a frequency that came
-- in. Built bars that overlap such a span stay as they are, whatever comes late.
CREATE TABLE retention_spans (
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE CASCADE,
    starts_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP NOT NULL REFERENCES deletions (deleted_at) ON DELETE CASCADE,
    parts TEXT NOT NULL CHECK (parts IN ('ticks', '1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M')),
    ends_at TIMESTAMP NOT NULL,
    PRIMARY KEY (instrument_id, starts_at, deleted_at, parts),
    CHECK (starts_at < ends_at)
);
-- undo: the spans of a batch.
CREATE INDEX retention_spans_batch ON retention_spans (deleted_at);

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000090', 'retention');
