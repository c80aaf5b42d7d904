DROP TABLE tickbase_database;

DELETE FROM tickbase_schema_migrations WHERE version = '20261130000070';
