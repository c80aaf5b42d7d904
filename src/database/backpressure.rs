//! What a write asks of the queue before the writer: how many rows it is, and what to do when
//! there is no room.

/// What a caller wants when the write queue is full; on PostgreSQL, when no connection is free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// To wait for room.
    #[default]
    Wait,
    /// An error at once, so that the caller can shed load.
    Fail,
}

/// The size of a write, for the bound of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Rows that it writes; one when it is no batch.
    pub rows: usize,
    /// What to do when there is no room.
    pub when_full: WhenFull,
}

impl BatchSize {
    /// A write that is no batch, and waits.
    pub const ONE: Self = Self {
        rows: 1,
        when_full: WhenFull::Wait,
    };
}
