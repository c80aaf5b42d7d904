-- Silences: what a rule, or all rules of an instrument, fire until a moment is stored and not
-- delivered. One that somebody lifted ends before. A silence goes with what it is about.
CREATE TABLE alert_silences (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    rule_id BIGINT REFERENCES alert_rules (id) ON DELETE CASCADE,
    instrument_id BIGINT REFERENCES instruments (id) ON DELETE CASCADE,
    until TIMESTAMP NOT NULL,
    reason TEXT CHECK (length(reason) <= 500),
    created_by TEXT NOT NULL CHECK (length(created_by) BETWEEN 1 AND 100),
    created_at TIMESTAMP NOT NULL,
    lifted_by TEXT CHECK (length(lifted_by) BETWEEN 1 AND 100),
    lifted_at TIMESTAMP,
    CHECK ((rule_id IS NULL) <> (instrument_id IS NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
    CHECK (until > created_at)
);
-- alert_silence::in_force: when an alert fires.
CREATE INDEX alert_silences_open ON alert_silences (until) WHERE lifted_at IS NULL;

-- Alerts have one more word for their delivery, and who acknowledged them. silence_id is no foreign
-- key: an alert tells its own story and outlives the silence. SQLite does not change a CHECK: the
-- table is made anew under its own name, which others refer to.
CREATE TEMP TABLE alert_logs_sequence AS
SELECT name, seq FROM sqlite_sequence WHERE name = 'alert_logs';
CREATE TEMP TABLE alert_logs_before AS SELECT * FROM alert_logs;
DROP TABLE alert_logs;
CREATE TABLE alert_logs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "timestamp" TIMESTAMP NOT NULL,
    source_id BIGINT NOT NULL REFERENCES data_sources (id) ON DELETE RESTRICT,
    sequence BIGINT NOT NULL,
    rule_id BIGINT NOT NULL REFERENCES alert_rules (id) ON DELETE RESTRICT,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    trigger_value DOUBLE PRECISION NOT NULL,
    threshold_value DOUBLE PRECISION,
    fired_status TEXT NOT NULL DEFAULT 'fired'
        CHECK (fired_status IN ('fired', 'suppressed', 'error')),
    delivery_status TEXT NOT NULL DEFAULT 'pending' CHECK (delivery_status IN
        ('pending', 'in_app_sent', 'sound_played', 'slack_sent', 'all_delivered', 'failed',
         'silenced')),
    evaluation_time_us BIGINT NOT NULL CHECK (evaluation_time_us >= 0),
    rule_condition TEXT NOT NULL,
    alert_message TEXT NOT NULL,
    error_message TEXT,
    delivery_attempted_at TIMESTAMP,
    delivery_completed_at TIMESTAMP,
    deleted_at TIMESTAMP,
    silence_id BIGINT,
    acknowledged_at TIMESTAMP,
    acknowledged_by TEXT CHECK (length(acknowledged_by) BETWEEN 1 AND 100),
    acknowledgement_note TEXT CHECK (length(acknowledgement_note) <= 1000),
    trace_id TEXT CHECK (length(trace_id) = 32),
    -- A deleted alert does not fire again: deleted rows count.
    UNIQUE (rule_id, instrument_id, "timestamp", source_id, sequence),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
INSERT INTO alert_logs (id, "timestamp", source_id, sequence, rule_id, instrument_id,
    trigger_value, threshold_value, fired_status, delivery_status, evaluation_time_us,
    rule_condition, alert_message, error_message, delivery_attempted_at, delivery_completed_at,
    deleted_at)
SELECT id, "timestamp", source_id, sequence, rule_id, instrument_id,
    trigger_value, threshold_value, fired_status, delivery_status, evaluation_time_us,
    rule_condition, alert_message, error_message, delivery_attempted_at, delivery_completed_at,
    deleted_at
FROM temp.alert_logs_before ORDER BY id;
DROP TABLE temp.alert_logs_before;
-- Numbers that were given once are not given again.
DELETE FROM sqlite_sequence WHERE name = 'alert_logs';
INSERT INTO sqlite_sequence (name, seq) SELECT name, seq FROM temp.alert_logs_sequence;
DROP TABLE temp.alert_logs_sequence;
-- alert_log::page: newest first.
CREATE INDEX alert_logs_newest_active ON alert_logs ("timestamp", id) WHERE deleted_at IS NULL;
-- alert_log::page of one instrument: newest first.
CREATE INDEX alert_logs_instrument_active ON alert_logs (instrument_id, "timestamp", id)
    WHERE deleted_at IS NULL;
-- alert_log::page of one rule: newest first.
CREATE INDEX alert_logs_rule_active ON alert_logs (rule_id, "timestamp", id)
    WHERE deleted_at IS NULL;
-- purge: rows deleted before a moment.
CREATE INDEX alert_logs_trash ON alert_logs (deleted_at) WHERE deleted_at IS NOT NULL;
-- alert_delivery::enqueue: alerts of which nothing was tried, oldest first.
CREATE INDEX alert_logs_unqueued ON alert_logs (id)
    WHERE delivery_status = 'pending' AND delivery_attempted_at IS NULL
        AND fired_status = 'fired' AND deleted_at IS NULL;
CREATE TRIGGER alert_logs_refuse_active_delete BEFORE DELETE ON alert_logs
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'alert_logs: an active row cannot be deleted; soft-delete it first');
END;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261129000030', 'silences');
