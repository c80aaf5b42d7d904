DROP FUNCTION tickbase_guard_partition(REGCLASS);

DELETE FROM tickbase_schema_migrations WHERE version = '20261130000100';
