-- Prices that somebody waits for. The target is a decimal's digits.
CREATE TABLE watchlist (
    id INTEGER NOT NULL PRIMARY KEY,
    instrument_id BIGINT NOT NULL REFERENCES instruments (id) ON DELETE RESTRICT,
    target TEXT NOT NULL,
    comment TEXT NOT NULL,
    deleted_at TIMESTAMP
);
CREATE UNIQUE INDEX watchlist_instrument_active ON watchlist (instrument_id)
    WHERE deleted_at IS NULL;
CREATE TRIGGER watchlist_refuse_active_delete BEFORE DELETE ON watchlist
WHEN OLD.deleted_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'watchlist: an active row cannot be deleted; soft-delete it first');
END;
