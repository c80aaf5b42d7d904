ALTER TABLE instruments DROP COLUMN calendar;
DELETE FROM tickbase_schema_migrations WHERE version = '20261128000008';
