-- SQLite has no partitions. The versions of both backends are the same.
INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261130000100', 'partitions');
