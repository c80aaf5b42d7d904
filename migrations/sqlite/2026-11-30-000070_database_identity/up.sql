-- Which database it is: by it a backup and a restoration know whether two files are of one database.
CREATE TABLE tickbase_database (
    id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))) CHECK (length(id) = 32),
    -- Which of its histories: a restoration begins another one, of which versions mean something else.
    history TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))) CHECK (length(history) = 32),
    created_at TIMESTAMP NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    -- In a backup, when it was made; NULL in a database that is in use.
    backed_up_at TIMESTAMP
) WITHOUT ROWID;
-- A database is one.
CREATE UNIQUE INDEX tickbase_database_one_row ON tickbase_database ((1));
INSERT INTO tickbase_database (backed_up_at) VALUES (NULL);

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000070', 'database_identity');
