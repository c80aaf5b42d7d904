DROP TABLE data_sources;
DROP TABLE instruments;
DROP FUNCTION tickbase_refuse_truncate();
DROP FUNCTION tickbase_refuse_active_delete();
DROP TABLE tickbase_schema_migrations;
