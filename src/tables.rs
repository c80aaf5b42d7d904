//! The published schema: gated tables, and the tables without soft delete.
//!
//! A table that can be soft-deleted is published as its columns and a gate; see
//! [`soft_delete`](crate::soft_delete).

crate::soft_deletable!(
    /// Instruments: what is traded or watched.
    pub mod instruments = crate::schema::instruments
);
crate::soft_deletable!(
    /// Ticks, in the order of their identity.
    ///
    /// Ticks that are archived are no rows of it: your own queries see those that are left. Functions of
    /// [`repository::market_data`](crate::repository::market_data) read both as one;
    /// `repository::archive::require_hot` (feature `archive`) refuses a range that has archived ticks.
    pub mod market_data = crate::schema::market_data
);
crate::soft_deletable!(
    /// Bars: open, high, low, close and volume of a period.
    pub mod market_data_bars = crate::schema::market_data_bars
);
crate::soft_deletable!(
    /// Alert rules.
    pub mod alert_rules = crate::schema::alert_rules
);
crate::soft_deletable!(
    /// Alerts that fired.
    pub mod alert_logs = crate::schema::alert_logs
);
crate::soft_deletable!(
    /// Queries for bars that users keep under a name.
    pub mod saved_queries = crate::schema::saved_queries
);

/// What ticks, bars and rules have changed of each instrument, kept apart from it as it is written
/// with each batch: its newest tick, versions, the end of its built bars. The database adds a row
/// with the instrument. It has no soft delete: `table` is Diesel's, and `is_deleted` says whether the
/// instrument is in the trash.
pub mod instrument_state {
    pub use crate::schema::instrument_state::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::instrument_state);
}

/// Origins of ticks and bars. It has no soft delete: `table` is Diesel's.
pub mod data_sources {
    pub use crate::schema::data_sources::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::data_sources);
}

/// Batches of soft deletes. It has no soft delete: `table` is Diesel's.
pub mod deletions {
    pub use crate::schema::deletions::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::deletions);
}

/// How long ticks and bars stay. It has no soft delete: `table` is Diesel's.
pub mod retention_policies {
    pub use crate::schema::retention_policies::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::retention_policies);
}

/// What retention has deleted of what bars are made of. It has no soft delete: `table` is Diesel's, and
/// `deleted_at` names the batch.
pub mod retention_spans {
    pub use crate::schema::retention_spans::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::retention_spans);
}

/// Series of bars that were built. It has no soft delete: `table` is Diesel's.
pub mod bar_series {
    pub use crate::schema::bar_series::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::bar_series);
}

/// Periods of such a series whose ticks have changed since. It has no soft delete: `table` is
/// Diesel's.
pub mod stale_bars {
    pub use crate::schema::stale_bars::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::stale_bars);
}

/// Silences of rules and instruments. It has no soft delete: `table` is Diesel's.
pub mod alert_silences {
    pub use crate::schema::alert_silences::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::alert_silences);
}

/// Deliveries of alerts, by channel. It has no soft delete: `table` is Diesel's.
pub mod alert_deliveries {
    pub use crate::schema::alert_deliveries::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::alert_deliveries);
}

/// The one row that says which database it is. It has no soft delete: `table` is Diesel's.
pub mod tickbase_database {
    pub use crate::schema::tickbase_database::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::tickbase_database);
}

/// What is archived: an instrument's periods, each in a file. It has no scope of its own: `table` is
/// Diesel's, and those in the trash have a `deleted_at`.
pub mod archive_segments {
    pub use crate::schema::archive_segments::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::archive_segments);
}

/// The bytes of the files of the archive. It has no soft delete: `table` is Diesel's.
pub mod archive_parts {
    pub use crate::schema::archive_parts::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::archive_parts);
}

/// Whether a transaction may take archived ticks out of `market_data`. It has no soft delete: `table`
/// is Diesel's.
pub mod archive_permit {
    pub use crate::schema::archive_permit::*;
    crate::soft_deletable!(@join_needs_scope crate::schema::archive_permit);
}
