//! The downstream crate's schema as `diesel print-schema` writes it, private to the crate.

diesel::table! {
    use diesel::sql_types::*;
    use tickbase::sql_types::Timestamp;

    notes (id) {
        id -> BigInt,
        instrument_id -> BigInt,
        source_id -> BigInt,
        body -> Text,
        deleted_at -> Nullable<Timestamp>,
    }
}
