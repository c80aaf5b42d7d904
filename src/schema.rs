// @generated automatically by Diesel CLI.
//! The tables as SQLite has them, which the code is written against. It says what columns are
//! stored as, and nothing of who may read them: that is `tables`.

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    alert_deliveries (id) {
        id -> BigInt,
        alert_id -> BigInt,
        channel -> Text,
        kind -> Text,
        status -> Text,
        attempts -> Integer,
        next_attempt_at -> Nullable<Timestamp>,
        last_error -> Nullable<Text>,
        first_attempted_at -> Nullable<Timestamp>,
        completed_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    alert_logs (id) {
        id -> BigInt,
        timestamp -> Timestamp,
        source_id -> BigInt,
        sequence -> BigInt,
        rule_id -> BigInt,
        instrument_id -> BigInt,
        trigger_value -> Double,
        threshold_value -> Nullable<Double>,
        fired_status -> Text,
        delivery_status -> Text,
        evaluation_time_us -> BigInt,
        rule_condition -> Text,
        alert_message -> Text,
        error_message -> Nullable<Text>,
        delivery_attempted_at -> Nullable<Timestamp>,
        delivery_completed_at -> Nullable<Timestamp>,
        deleted_at -> Nullable<Timestamp>,
        silence_id -> Nullable<BigInt>,
        acknowledged_at -> Nullable<Timestamp>,
        acknowledged_by -> Nullable<Text>,
        acknowledgement_note -> Nullable<Text>,
        trace_id -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    alert_rules (id) {
        id -> BigInt,
        instrument_id -> BigInt,
        rule_type -> Text,
        condition -> Nullable<Text>,
        threshold -> Nullable<Decimal>,
        expression -> Nullable<Text>,
        active -> Bool,
        name -> Nullable<Text>,
        description -> Nullable<Text>,
        time_window_seconds -> Nullable<Integer>,
        moving_average_period -> Nullable<Integer>,
        cooldown_seconds -> Integer,
        last_triggered -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    alert_silences (id) {
        id -> BigInt,
        rule_id -> Nullable<BigInt>,
        instrument_id -> Nullable<BigInt>,
        until -> Timestamp,
        reason -> Nullable<Text>,
        created_by -> Text,
        created_at -> Timestamp,
        lifted_by -> Nullable<Text>,
        lifted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    archive_parts (segment_id, version, part) {
        segment_id -> BigInt,
        version -> BigInt,
        part -> BigInt,
        content -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    archive_permit (only_row) {
        only_row -> BigInt,
        permitted -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    archive_segments (id) {
        id -> BigInt,
        instrument_id -> BigInt,
        starts_at -> Timestamp,
        ends_at -> Timestamp,
        state -> Text,
        owner -> Nullable<Text>,
        claimed_until -> Nullable<Timestamp>,
        version -> BigInt,
        rows -> BigInt,
        bytes -> BigInt,
        sha256 -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    bar_series (instrument_id, frequency, price) {
        instrument_id -> BigInt,
        frequency -> Text,
        built_from -> Timestamp,
        built_to -> Timestamp,
        updated_at -> Timestamp,
        price -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    data_sources (id) {
        id -> BigInt,
        name -> Text,
        provider_type -> Text,
        base_url -> Nullable<Text>,
        rate_limit_per_minute -> Integer,
        is_active -> Bool,
        configuration -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    deletions (deleted_at) {
        deleted_at -> Timestamp,
        token_name -> Nullable<Text>,
        actor -> Nullable<Text>,
        process -> Text,
        reason -> Nullable<Text>,
        request -> Text,
        state -> Text,
        instruments -> BigInt,
        rules -> BigInt,
        alerts -> BigInt,
        bars -> BigInt,
        ticks -> BigInt,
        saved_queries -> BigInt,
        undone_at -> Nullable<Timestamp>,
        undone_by -> Nullable<Text>,
        purged_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    ingest_batches (idempotency_key) {
        idempotency_key -> Text,
        response -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    instrument_state (instrument_id) {
        instrument_id -> BigInt,
        last_tick -> Nullable<Timestamp>,
        last_price -> Nullable<Double>,
        rules_version -> BigInt,
        ticks_version -> BigInt,
        bars_to -> Nullable<Timestamp>,
        is_deleted -> Bool,
        archived_to -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    instruments (id) {
        id -> BigInt,
        symbol -> Text,
        name -> Text,
        instrument_type -> Text,
        status -> Text,
        price_decimals -> Nullable<Integer>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
        calendar -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    market_data (instrument_id, timestamp, source_id, sequence) {
        instrument_id -> BigInt,
        timestamp -> Timestamp,
        source_id -> BigInt,
        sequence -> BigInt,
        price -> Nullable<Double>,
        volume -> Nullable<Double>,
        bid -> Nullable<Double>,
        ask -> Nullable<Double>,
        bid_size -> Nullable<Double>,
        ask_size -> Nullable<Double>,
        open_price -> Nullable<Double>,
        high_price -> Nullable<Double>,
        low_price -> Nullable<Double>,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    market_data_bars (id) {
        id -> BigInt,
        instrument_id -> BigInt,
        timestamp -> Timestamp,
        frequency -> Text,
        open_price -> Double,
        high_price -> Double,
        low_price -> Double,
        close_price -> Double,
        volume -> Double,
        open_interest -> Nullable<Double>,
        contract_month -> Nullable<Text>,
        data_source_id -> BigInt,
        is_adjusted -> Bool,
        quality_score -> Nullable<Integer>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
        turnover -> Nullable<Double>,
        tick_count -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    retention_policies (id) {
        id -> BigInt,
        kind -> Text,
        instrument_id -> Nullable<BigInt>,
        data_source_id -> Nullable<BigInt>,
        frequency -> Nullable<Text>,
        archive_after_seconds -> Nullable<BigInt>,
        delete_after_seconds -> Nullable<BigInt>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    retention_spans (instrument_id, starts_at, deleted_at, parts) {
        instrument_id -> BigInt,
        starts_at -> Timestamp,
        deleted_at -> Timestamp,
        parts -> Text,
        ends_at -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    saved_queries (id) {
        id -> BigInt,
        name -> Text,
        description -> Nullable<Text>,
        symbols -> Text,
        frequency -> Text,
        start_date -> Nullable<Timestamp>,
        end_date -> Nullable<Timestamp>,
        filters -> Nullable<Text>,
        is_favorite -> Bool,
        execution_count -> BigInt,
        last_executed -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    stale_bars (instrument_id, frequency, price, timestamp) {
        instrument_id -> BigInt,
        frequency -> Text,
        price -> Text,
        timestamp -> Timestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    tickbase_database (id) {
        id -> Text,
        history -> Text,
        created_at -> Timestamp,
        backed_up_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::sql_types::{Decimal, Timestamp};

    tickbase_schema_migrations (version) {
        version -> Text,
        name -> Text,
        applied_at -> Timestamp,
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
diesel::joinable!(market_data -> data_sources (source_id));
diesel::joinable!(market_data -> instruments (instrument_id));
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
