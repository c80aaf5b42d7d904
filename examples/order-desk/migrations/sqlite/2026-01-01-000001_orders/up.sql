-- Stop orders: a positive quantity buys, a negative one sells. The price is a decimal's digits.
-- A rule of tickbase watches the price; when a purge takes the deleted rule, the order stays.
CREATE TABLE orders (
    id INTEGER NOT NULL PRIMARY KEY,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    rule_id BIGINT REFERENCES alert_rules (id) ON DELETE SET NULL,
    quantity BIGINT NOT NULL CHECK (quantity <> 0),
    stop_price TEXT NOT NULL,
    placed_at TIMESTAMP NOT NULL,
    triggered_at TIMESTAMP,
    trigger_price DOUBLE PRECISION,
    deleted_at TIMESTAMP
);
-- A rule has one order; what waits is found by it.
CREATE UNIQUE INDEX orders_rule_active ON orders (rule_id) WHERE deleted_at IS NULL;
CREATE TRIGGER orders_refuse_active_delete BEFORE DELETE ON orders
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'orders: an active row cannot be deleted; soft-delete it first');
END;
