DROP TABLE saved_queries;
DELETE FROM tickbase_schema_migrations WHERE version = '20261129000010';
