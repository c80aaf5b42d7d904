//! What is public of the schema: one line gates the table, one lets it be joined to tickbase's.

use tickbase::tables::{alert_logs, instrument_state, instruments};

tickbase::soft_deletable!(
    /// Stop orders: nothing is read of them until a query says `.active()`, or another scope.
    pub mod orders = crate::schema::orders
);

tickbase::allow_in_same_query!(crate::schema::orders: alert_logs, instrument_state, instruments);
