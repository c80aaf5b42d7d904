DROP INDEX alert_logs_unqueued;
DROP TABLE alert_deliveries;
DELETE FROM tickbase_schema_migrations WHERE version = '20261124000005';
