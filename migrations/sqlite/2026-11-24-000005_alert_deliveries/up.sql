-- What was tried to deliver an alert on one channel. A row is written when a process that has
-- the channel first meets the alert; alert_logs itself is the queue of those without rows.
--
-- next_attempt_at is when it is due, or, while a process is at it, when another one may take it
-- over. A row with nothing left to try has none.
CREATE TABLE alert_deliveries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    alert_id BIGINT NOT NULL REFERENCES alert_logs (id) ON DELETE RESTRICT,
    channel TEXT NOT NULL CHECK (length(channel) BETWEEN 1 AND 64),
    kind TEXT NOT NULL CHECK (kind IN ('log', 'in_app', 'webhook', 'slack')),
    status TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'failed', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at TIMESTAMP,
    last_error TEXT,
    first_attempted_at TIMESTAMP,
    completed_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (alert_id, channel),
    CHECK ((status IN ('pending', 'failed')) = (next_attempt_at IS NOT NULL)),
    CHECK ((status IN ('delivered', 'dead')) = (completed_at IS NOT NULL))
);
-- alert_delivery::claim and alert_delivery::next_due: what is due on a channel, oldest first.
CREATE INDEX alert_deliveries_due ON alert_deliveries (channel, next_attempt_at, id)
    WHERE next_attempt_at IS NOT NULL;
-- alert_delivery::dead_letters: what was given up, newest first.
CREATE INDEX alert_deliveries_dead ON alert_deliveries (id) WHERE status = 'dead';
-- alert_delivery::enqueue: alerts of which nothing was tried, oldest first.
CREATE INDEX alert_logs_unqueued ON alert_logs (id)
    WHERE delivery_status = 'pending' AND delivery_attempted_at IS NULL
        AND fired_status = 'fired' AND deleted_at IS NULL;

INSERT INTO tickbase_schema_migrations (version, name)
VALUES ('20261124000005', 'alert_deliveries');
