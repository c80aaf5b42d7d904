// @generated automatically by Diesel CLI.
//! The tables as PostgreSQL has them, for the tests that hold them equal to those of SQLite. No
//! query is written against it.

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    alert_deliveries (id) {
        id -> Int8,
        alert_id -> Int8,
        channel -> Text,
        kind -> Text,
        status -> Text,
        attempts -> Int4,
        next_attempt_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        first_attempted_at -> Nullable<Timestamptz>,
        completed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    alert_logs (id) {
        id -> Int8,
        timestamp -> Timestamptz,
        source_id -> Int8,
        sequence -> Int8,
        rule_id -> Int8,
        instrument_id -> Int8,
        trigger_value -> Float8,
        threshold_value -> Nullable<Float8>,
        fired_status -> Text,
        delivery_status -> Text,
        evaluation_time_us -> Int8,
        rule_condition -> Text,
        alert_message -> Text,
        error_message -> Nullable<Text>,
        delivery_attempted_at -> Nullable<Timestamptz>,
        delivery_completed_at -> Nullable<Timestamptz>,
        deleted_at -> Nullable<Timestamptz>,
        silence_id -> Nullable<Int8>,
        acknowledged_at -> Nullable<Timestamptz>,
        acknowledged_by -> Nullable<Text>,
        acknowledgement_note -> Nullable<Text>,
        trace_id -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    alert_rules (id) {
        id -> Int8,
        instrument_id -> Int8,
        rule_type -> Text,
        condition -> Nullable<Text>,
        threshold -> Nullable<Numeric>,
        expression -> Nullable<Text>,
        active -> Bool,
        name -> Nullable<Text>,
        description -> Nullable<Text>,
        time_window_seconds -> Nullable<Int4>,
        moving_average_period -> Nullable<Int4>,
        cooldown_seconds -> Int4,
        last_triggered -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    alert_silences (id) {
        id -> Int8,
        rule_id -> Nullable<Int8>,
        instrument_id -> Nullable<Int8>,
        until -> Timestamptz,
        reason -> Nullable<Text>,
        created_by -> Text,
        created_at -> Timestamptz,
        lifted_by -> Nullable<Text>,
        lifted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    archive_parts (segment_id, version, part) {
        segment_id -> Int8,
        version -> Int8,
        part -> Int8,
        content -> Bytea,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    archive_permit (only_row) {
        only_row -> Int8,
        permitted -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    archive_segments (id) {
        id -> Int8,
        instrument_id -> Int8,
        starts_at -> Timestamptz,
        ends_at -> Timestamptz,
        state -> Text,
        owner -> Nullable<Text>,
        claimed_until -> Nullable<Timestamptz>,
        version -> Int8,
        rows -> Int8,
        bytes -> Int8,
        sha256 -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    bar_series (instrument_id, frequency, price) {
        instrument_id -> Int8,
        frequency -> Text,
        built_from -> Timestamptz,
        built_to -> Timestamptz,
        updated_at -> Timestamptz,
        price -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    data_sources (id) {
        id -> Int8,
        name -> Text,
        provider_type -> Text,
        base_url -> Nullable<Text>,
        rate_limit_per_minute -> Int4,
        is_active -> Bool,
        configuration -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    deletions (deleted_at) {
        deleted_at -> Timestamptz,
        token_name -> Nullable<Text>,
        actor -> Nullable<Text>,
        process -> Text,
        reason -> Nullable<Text>,
        request -> Text,
        state -> Text,
        instruments -> Int8,
        rules -> Int8,
        alerts -> Int8,
        bars -> Int8,
        ticks -> Int8,
        saved_queries -> Int8,
        undone_at -> Nullable<Timestamptz>,
        undone_by -> Nullable<Text>,
        purged_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    ingest_batches (idempotency_key) {
        idempotency_key -> Text,
        response -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    instrument_state (instrument_id) {
        instrument_id -> Int8,
        last_tick -> Nullable<Timestamptz>,
        last_price -> Nullable<Float8>,
        rules_version -> Int8,
        ticks_version -> Int8,
        bars_to -> Nullable<Timestamptz>,
        is_deleted -> Bool,
        archived_to -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    instruments (id) {
        id -> Int8,
        symbol -> Text,
        name -> Text,
        instrument_type -> Text,
        status -> Text,
        price_decimals -> Nullable<Int4>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        calendar -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    market_data (instrument_id, timestamp, source_id, sequence) {
        instrument_id -> Int8,
        timestamp -> Timestamptz,
        source_id -> Int8,
        sequence -> Int8,
        price -> Nullable<Float8>,
        volume -> Nullable<Float8>,
        bid -> Nullable<Float8>,
        ask -> Nullable<Float8>,
        bid_size -> Nullable<Float8>,
        ask_size -> Nullable<Float8>,
        open_price -> Nullable<Float8>,
        high_price -> Nullable<Float8>,
        low_price -> Nullable<Float8>,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    market_data_bars (id) {
        id -> Int8,
        instrument_id -> Int8,
        timestamp -> Timestamptz,
        frequency -> Text,
        open_price -> Float8,
        high_price -> Float8,
        low_price -> Float8,
        close_price -> Float8,
        volume -> Float8,
        open_interest -> Nullable<Float8>,
        contract_month -> Nullable<Text>,
        data_source_id -> Int8,
        is_adjusted -> Bool,
        quality_score -> Nullable<Int4>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        turnover -> Nullable<Float8>,
        tick_count -> Nullable<Int8>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    retention_policies (id) {
        id -> Int8,
        kind -> Text,
        instrument_id -> Nullable<Int8>,
        data_source_id -> Nullable<Int8>,
        frequency -> Nullable<Text>,
        archive_after_seconds -> Nullable<Int8>,
        delete_after_seconds -> Nullable<Int8>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    retention_spans (instrument_id, starts_at, deleted_at, parts) {
        instrument_id -> Int8,
        starts_at -> Timestamptz,
        deleted_at -> Timestamptz,
        parts -> Text,
        ends_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    saved_queries (id) {
        id -> Int8,
        name -> Text,
        description -> Nullable<Text>,
        symbols -> Text,
        frequency -> Text,
        start_date -> Nullable<Timestamptz>,
        end_date -> Nullable<Timestamptz>,
        filters -> Nullable<Text>,
        is_favorite -> Bool,
        execution_count -> Int8,
        last_executed -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    stale_bars (instrument_id, frequency, price, timestamp) {
        instrument_id -> Int8,
        frequency -> Text,
        price -> Text,
        timestamp -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    tickbase_database (id) {
        id -> Text,
        history -> Text,
        created_at -> Timestamptz,
        backed_up_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};

    tickbase_schema_migrations (version) {
        version -> Text,
        name -> Text,
        applied_at -> Timestamptz,
    }
}

diesel::joinable!(alert_deliveries -> alert_logs (alert_id));
diesel::joinable!(alert_logs -> alert_rules (rule_id));
diesel::joinable!(alert_logs -> data_sources (source_id));
diesel::joinable!(alert_logs -> instruments (instrument_id));
diesel::joinable!(alert_rules -> instruments (instrument_id));
diesel::joinable!(alert_silences -> alert_rules (rule_id));
diesel::joinable!(alert_silences -> instruments (instrument_id));
diesel::joinable!(archive_parts -> archive_segments (segment_id));
diesel::joinable!(archive_segments -> instruments (instrument_id));
diesel::joinable!(bar_series -> instruments (instrument_id));
diesel::joinable!(instrument_state -> instruments (instrument_id));
diesel::joinable!(market_data_bars -> data_sources (data_source_id));
diesel::joinable!(market_data_bars -> instruments (instrument_id));
diesel::joinable!(retention_policies -> data_sources (data_source_id));
diesel::joinable!(retention_policies -> instruments (instrument_id));
diesel::joinable!(retention_spans -> deletions (deleted_at));
diesel::joinable!(retention_spans -> instruments (instrument_id));
diesel::joinable!(stale_bars -> instruments (instrument_id));

diesel::allow_tables_to_appear_in_same_query!(
    alert_deliveries,
    alert_logs,
    alert_rules,
    alert_silences,
    archive_parts,
    archive_permit,
    archive_segments,
    bar_series,
    data_sources,
    deletions,
    ingest_batches,
    instrument_state,
    instruments,
    market_data,
    market_data_bars,
    retention_policies,
    retention_spans,
    saved_queries,
    stale_bars,
    tickbase_database,
    tickbase_schema_migrations,
);
