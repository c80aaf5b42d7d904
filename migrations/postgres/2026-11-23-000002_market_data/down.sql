DROP TABLE market_data_bars;
DROP TABLE ingest_batches;
DROP TABLE market_data;
DELETE FROM tickbase_schema_migrations WHERE version = '20261123000002';
