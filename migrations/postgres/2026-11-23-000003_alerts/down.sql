DROP TABLE alert_logs;
DROP TABLE alert_rules;
DELETE FROM tickbase_schema_migrations WHERE version = '20261123000003';
