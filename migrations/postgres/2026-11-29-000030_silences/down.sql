-- What was silenced must not be delivered: it counts as given up.
UPDATE alert_logs SET delivery_status = 'failed' WHERE delivery_status = 'silenced';
ALTER TABLE alert_logs
    DROP CONSTRAINT alert_logs_acknowledged_check,
    DROP CONSTRAINT alert_logs_delivery_status_check,
    DROP COLUMN silence_id,
    DROP COLUMN acknowledged_at,
    DROP COLUMN acknowledged_by,
    DROP COLUMN acknowledgement_note,
    DROP COLUMN trace_id;
ALTER TABLE alert_logs
    ADD CONSTRAINT alert_logs_delivery_status_check CHECK (delivery_status IN
        ('pending', 'in_app_sent', 'sound_played', 'slack_sent', 'all_delivered', 'failed'));
DROP TABLE alert_silences;
DELETE FROM tickbase_schema_migrations WHERE version = '20261129000030';
