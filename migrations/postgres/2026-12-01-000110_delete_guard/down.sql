DELETE FROM tickbase_schema_migrations WHERE version = '20261201000110';
