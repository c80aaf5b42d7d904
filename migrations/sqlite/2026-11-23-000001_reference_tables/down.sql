DROP TABLE data_sources;
DROP TABLE instruments;
DROP TABLE tickbase_schema_migrations;
