// @generated automatically by Diesel CLI.

diesel::table! {
    use diesel::sql_types::*;
    use tickbase::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    orders (id) {
        id -> Int8,
        instrument_id -> Int8,
        rule_id -> Nullable<Int8>,
        quantity -> Int8,
        stop_price -> Numeric,
        placed_at -> Timestamptz,
        triggered_at -> Nullable<Timestamptz>,
        trigger_price -> Nullable<Float8>,
        deleted_at -> Nullable<Timestamptz>,
    }
}
