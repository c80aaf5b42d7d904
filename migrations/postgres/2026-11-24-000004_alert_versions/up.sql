-- What memory of an instrument elsewhere is compared with, under the lock of its row: both rise
-- with each change, of its rules or itself, and of its ticks.
ALTER TABLE instruments ADD COLUMN rules_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instruments ADD COLUMN ticks_version BIGINT NOT NULL DEFAULT 0;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261124000004', 'alert_versions');
