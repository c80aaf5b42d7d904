-- PostgreSQL's guard runs behind the statement since it knows the permit of the archive. The versions of
-- both backends are the same.
INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261201000110', 'delete_guard');
