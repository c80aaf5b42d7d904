// @generated automatically by Diesel CLI.

diesel::table! {
    use diesel::sql_types::*;
    use tickbase::sql_types::{Decimal, Timestamp};

    orders (id) {
        id -> BigInt,
        instrument_id -> BigInt,
        rule_id -> Nullable<BigInt>,
        quantity -> BigInt,
        stop_price -> Decimal,
        placed_at -> Timestamp,
        triggered_at -> Nullable<Timestamp>,
        trigger_price -> Nullable<Double>,
        deleted_at -> Nullable<Timestamp>,
    }
}
