-- The threshold is an integer scaled by 10^8.
CREATE TABLE alert_rules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    rule_type TEXT NOT NULL CHECK (rule_type IN
        ('threshold', 'crossover', 'rate_of_change', 'volume_spike', 'multi_condition')),
    condition TEXT CHECK (condition IN
        ('above', 'below', 'equals', 'crosses_above', 'crosses_below',
         'percent_change_up', 'percent_change_down', 'volume_above')),
    threshold BIGINT,
    expression TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    name TEXT CHECK (length(name) <= 100),
    description TEXT,
    time_window_seconds INTEGER CHECK (time_window_seconds BETWEEN 1 AND 3600),
    moving_average_period INTEGER CHECK (moving_average_period BETWEEN 1 AND 1000),
    cooldown_seconds INTEGER NOT NULL DEFAULT 60 CHECK (cooldown_seconds BETWEEN 0 AND 3600),
    last_triggered TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    CHECK ((rule_type = 'multi_condition') = (expression IS NOT NULL)),
    CHECK ((rule_type = 'multi_condition') = (condition IS NULL))
);
-- alert_rule::of_instruments: the rules of the instruments of a batch.
CREATE INDEX alert_rules_instrument_active ON alert_rules (instrument_id) WHERE deleted_at IS NULL;
-- purge: rows deleted before a moment.
CREATE INDEX alert_rules_trash ON alert_rules (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER alert_rules_refuse_active_delete BEFORE DELETE ON alert_rules
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'alert_rules: an active row cannot be deleted; soft-delete it first');
END;

-- (instrument_id, timestamp, source_id, sequence) names the tick that fired. It is not a
-- foreign key: an alert tells its own story and outlives the tick.
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
        ('pending', 'in_app_sent', 'sound_played', 'slack_sent', 'all_delivered', 'failed')),
    evaluation_time_us BIGINT NOT NULL CHECK (evaluation_time_us >= 0),
    rule_condition TEXT NOT NULL,
    alert_message TEXT NOT NULL,
    error_message TEXT,
    delivery_attempted_at TIMESTAMP,
    delivery_completed_at TIMESTAMP,
    deleted_at TIMESTAMP,
    -- A deleted alert does not fire again: deleted rows count.
    UNIQUE (rule_id, instrument_id, "timestamp", source_id, sequence)
);
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
CREATE TRIGGER alert_logs_refuse_active_delete BEFORE DELETE ON alert_logs
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'alert_logs: an active row cannot be deleted; soft-delete it first');
END;

INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20261123000003', 'alerts');
