//! The rows of TradeAssist's tables, as they are stored.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use diesel::sqlite::Sqlite;

use super::stored_value::{StoredValue, Untyped};

/// A row of one of the tables.
pub(crate) trait OldRow: QueryableByName<Sqlite> + 'static {
    /// The table.
    const TABLE: &'static str;
    /// Its columns, of all schemas, and how they are named here.
    const COLUMNS: &'static [(&'static str, &'static str)];
    /// By which column rows are counted.
    const OWNER: &'static str;
    /// The columns that are added up.
    const SUMMED: [&'static str; 2];
    /// Whether a table whose name goes on like this holds rows of a month or quarter.
    const IS_PARTITION: fn(&str) -> bool;

    /// Its number.
    fn id(&self) -> i64;

    /// Its columns and what they hold, the number left out.
    fn values(&self) -> Vec<(&'static str, Option<&StoredValue>)>;
}

macro_rules! old_row {
    (@stored $column:ident) => {
        stringify!($column)
    };
    (@stored $column:ident $stored:literal) => {
        $stored
    };
    (
        $(#[$meta:meta])*
        $name:ident = $table:literal by $owner:literal, sums $summed:expr, partitions $is:expr;
        $($column:ident $(as $stored:literal)?),+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, QueryableByName)]
        pub(crate) struct $name {
            #[diesel(sql_type = BigInt)]
            pub(crate) id: i64,
            $(
                #[diesel(sql_type = Nullable<Untyped>)]
                pub(crate) $column: Option<StoredValue>,
            )+
        }

        impl OldRow for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [(&'static str, &'static str)] = &[
                ("id", "id"),
                $((old_row!(@stored $column $($stored)?), stringify!($column))),+
            ];
            const OWNER: &'static str = $owner;
            const SUMMED: [&'static str; 2] = $summed;
            const IS_PARTITION: fn(&str) -> bool = $is;

            fn id(&self) -> i64 {
                self.id
            }

            fn values(&self) -> Vec<(&'static str, Option<&StoredValue>)> {
                vec![$((stringify!($column), self.$column.as_ref())),+]
            }
        }
    };
}

/// `_2025_01`.
fn is_month(suffix: &str) -> bool {
    matches!(suffix.as_bytes(), [b'_', y @ .., b'_', m, n]
        if y.len() == 4 && y.iter().chain([m, n]).all(u8::is_ascii_digit))
}

/// `_2025_q1`.
fn is_quarter(suffix: &str) -> bool {
    matches!(suffix.as_bytes(), [b'_', y @ .., b'_', b'q', n]
        if y.len() == 4 && y.iter().chain([n]).all(u8::is_ascii_digit))
}

fn never(_: &str) -> bool {
    false
}

old_row! {
    /// An instrument.
    OldInstrument = "instruments" by "NULL", sums ["0", "0"], partitions never;
    symbol, name, instrument_type as "type", status, last_tick, last_price, created_at, updated_at
}
old_row! {
    /// A tick.
    OldTick = "market_data" by "instrument_id", sums ["price", "volume"], partitions is_month;
    timestamp, instrument_id, price, volume, bid, ask, bid_size, ask_size, open_price, high_price,
    low_price, deleted_at
}
old_row! {
    /// A rule.
    OldRule = "alert_rules" by "NULL", sums ["0", "0"], partitions never;
    instrument_id, rule_type, condition, threshold, active, name, description,
    time_window_seconds, moving_average_period, cooldown_seconds, last_triggered, created_at,
    updated_at
}
old_row! {
    /// An alert.
    OldAlert = "alert_logs" by "NULL", sums ["trigger_value", "threshold_value"],
    partitions is_quarter;
    timestamp, rule_id, instrument_id, trigger_value, threshold_value, fired_status,
    delivery_status, evaluation_time_ms, rule_condition, alert_message, error_message,
    delivery_attempted_at, delivery_completed_at, deleted_at
}
old_row! {
    /// A data source.
    OldSource = "data_source" by "NULL", sums ["0", "0"], partitions never;
    name, provider_type, base_url, rate_limit_per_minute, is_active, configuration, created_at
}
old_row! {
    /// A bar.
    OldBar = "market_data_bar" by "frequency", sums ["close_price", "volume"], partitions never;
    symbol, timestamp, frequency, open_price, high_price, low_price, close_price, volume,
    open_interest, contract_month, data_source_id, is_adjusted, quality_score
}
old_row! {
    /// A saved query.
    OldQuery = "data_query" by "NULL", sums ["0", "0"], partitions never;
    name, description, symbols, start_date, end_date, frequency, filters, is_favorite,
    last_executed, execution_count, created_at, updated_at
}
