ALTER TABLE instruments DROP COLUMN ticks_version;
ALTER TABLE instruments DROP COLUMN rules_version;
DELETE FROM tickbase_schema_migrations WHERE version = '20261124000004';
