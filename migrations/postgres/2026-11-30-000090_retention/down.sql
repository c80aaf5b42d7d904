DROP TABLE retention_spans;
DROP TABLE retention_policies;
DELETE FROM tickbase_schema_migrations WHERE version = '20261130000090';
