//! The rows of insertions, counted by what became of them.

/// Rows of insertions since the database was opened, by what became of them:
/// `received = inserted + updated + duplicates + conflicts + deleted + rejected + replayed`. What
/// was rolled back is not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InsertCounts {
    /// Rows in the batches.
    pub received: u64,
    /// Rows stored.
    pub inserted: u64,
    /// Rows that replaced the values of others: bars only.
    pub updated: u64,
    /// Rows that were stored already, with the same values.
    pub duplicates: u64,
    /// Rows whose key holds other values, which stay.
    pub conflicts: u64,
    /// Rows whose key is that of a deleted tick; ticks only.
    pub deleted: u64,
    /// Rows that break a rule.
    pub rejected: u64,
    /// Rows of batches whose idempotency key was answered before.
    pub replayed: u64,
    /// Stored rows that are older than the newest tick of their instrument; ticks only.
    pub late: u64,
}

impl InsertCounts {
    pub(super) fn add(&mut self, more: &Self) {
        self.received += more.received;
        self.inserted += more.inserted;
        self.updated += more.updated;
        self.duplicates += more.duplicates;
        self.conflicts += more.conflicts;
        self.deleted += more.deleted;
        self.rejected += more.rejected;
        self.replayed += more.replayed;
        self.late += more.late;
    }
}
