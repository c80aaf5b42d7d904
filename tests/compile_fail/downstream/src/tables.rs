//! What the downstream crate publishes of the schema: one line gates the table.

use tickbase::tables::{data_sources, instruments, market_data};

tickbase::soft_deletable!(
    /// Notes on instruments.
    pub mod notes = crate::schema::notes,
    row = crate::models::Note
);

tickbase::allow_in_same_query!(crate::schema::notes: data_sources, instruments, market_data);
