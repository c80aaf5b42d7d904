DROP VIEW v_instruments;
DROP VIEW v_alerts;
DROP VIEW v_bars;
DROP VIEW v_ticks;
DELETE FROM tickbase_schema_migrations WHERE version = '20261129000040';
