//! No SQL loses an active row: DELETE, TRUNCATE and REPLACE against every table that can be
//! soft-deleted, past the gates of the types, as a stranger's program or a slip would write it.
//!
//! `diesel::delete` of a scope compiles; what refuses it is the trigger that these tests hold.

use crate::support::{TestDatabase, on_both};
use diesel::prelude::*;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::{Error, on_backend};

/// A table, an active row of it and one in the trash (`NOW` is a time of the backend), and a
/// condition for these two rows alone. They refer to each other and to the seeds.
struct Sample {
    table: &'static str,
    columns: &'static str,
    active: &'static str,
    deleted: &'static str,
    both: &'static str,
}

/// Parents first: their rows are deleted last.
const SAMPLES: [Sample; 6] = [
    Sample {
        table: "instruments",
        columns: "id, symbol, name, instrument_type, created_at, updated_at, deleted_at",
        active: "100, 'AAA', 'A', 'equity', NOW, NOW, NULL",
        deleted: "101, 'BBB', 'B', 'equity', NOW, NOW, NOW",
        both: "id >= 100",
    },
    Sample {
        table: "market_data",
        columns: "instrument_id, timestamp, source_id, sequence, price, deleted_at",
        active: "1, NOW, 1, 1, 10, NULL",
        deleted: "1, NOW, 1, 2, 20, NOW",
        both: "instrument_id = 1",
    },
    Sample {
        table: "market_data_bars",
        columns: "id, instrument_id, timestamp, frequency, open_price, high_price, low_price, \
                  close_price, data_source_id, created_at, updated_at, deleted_at",
        active: "100, 1, NOW, '1d', 1, 1, 1, 1, 1, NOW, NOW, NULL",
        deleted: "101, 1, NOW, '1h', 1, 1, 1, 1, 1, NOW, NOW, NOW",
        both: "id >= 100",
    },
    Sample {
        table: "alert_rules",
        columns: "id, instrument_id, rule_type, condition, threshold, created_at, updated_at, \
                  deleted_at",
        active: "100, 1, 'threshold', 'above', 1, NOW, NOW, NULL",
        deleted: "101, 1, 'threshold', 'above', 1, NOW, NOW, NOW",
        both: "id >= 100",
    },
    Sample {
        table: "alert_logs",
        columns: "id, timestamp, source_id, sequence, rule_id, instrument_id, trigger_value, \
                  evaluation_time_us, rule_condition, alert_message, deleted_at",
        active: "100, NOW, 1, 1, 100, 1, 1, 1, 'c', 'm', NULL",
        deleted: "101, NOW, 1, 2, 100, 1, 1, 1, 'c', 'm', NOW",
        both: "id >= 100",
    },
    Sample {
        table: "saved_queries",
        columns: "id, name, symbols, created_at, updated_at, deleted_at",
        active: "100, 'mine', '[]', NOW, NOW, NULL",
        deleted: "101, 'old', '[]', NOW, NOW, NOW",
        both: "id >= 100",
    },
];

impl Sample {
    fn insert(&self, db: &TestDatabase) {
        for values in [self.active, self.deleted] {
            db.raw(&self.insertion(db, "INSERT", values)).unwrap();
        }
    }

    fn insertion(&self, db: &TestDatabase, verb: &str, values: &str) -> String {
        let values = values.replace("NOW", now(db));
        format!(
            "{verb} INTO {} ({}) VALUES ({values})",
            self.table, self.columns
        )
    }

    /// How many of the two rows are there: active ones, deleted ones.
    fn rows(&self, db: &TestDatabase) -> [String; 2] {
        ["IS NULL", "IS NOT NULL"].map(|state| {
            let Self { table, both, .. } = self;
            let sql = format!(
                "SELECT CAST(count(*) AS TEXT) AS text FROM {table} \
                 WHERE {both} AND deleted_at {state}"
            );
            db.texts(&sql).remove(0)
        })
    }
}

fn now(db: &TestDatabase) -> &'static str {
    if db.dir().is_some() {
        "1767225600000000"
    } else {
        "TIMESTAMPTZ '2026-01-01 00:00:00+00'"
    }
}

fn assert_refused(outcome: QueryResult<()>, message: &str) {
    let refused = outcome.expect_err(message).to_string();
    assert!(refused.contains(message), "{refused}, not {message}");
}

on_both! {
    fn the_samples_are_all_the_tables_that_can_be_soft_deleted(db: &TestDatabase) {
        let found = db.texts(if db.dir().is_some() {
            "SELECT m.name AS text FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'deleted_at' AND NOT c.\"notnull\" ORDER BY 1"
        } else {
            "SELECT table_name::text AS text FROM information_schema.columns \
             WHERE table_schema = 'public' AND column_name = 'deleted_at' \
             AND is_nullable = 'YES' ORDER BY 1"
        });
        let mut samples = SAMPLES.map(|sample| sample.table);
        samples.sort_unstable();
        // A file whose ticks are all hidden by rows of the table goes without being deleted first.
        let found: Vec<String> = found.into_iter().filter(|name| name != "archive_segments").collect();
        assert_eq!(found, samples);
    }

    fn an_active_row_cannot_be_deleted_and_one_in_the_trash_can(db: &TestDatabase) {
        SAMPLES.iter().for_each(|sample| sample.insert(db));
        for sample in SAMPLES.iter().rev() {
            let Sample { table, both, .. } = sample;
            let refusal =
                format!("{table}: an active row cannot be deleted; soft-delete it first");
            // Both rows, then the active one alone: a refused statement deletes nothing.
            assert_refused(db.raw(&format!("DELETE FROM {table} WHERE {both}")), &refusal);
            assert_eq!(sample.rows(db), ["1", "1"], "{table}");
            let active = format!("DELETE FROM {table} WHERE {both} AND deleted_at IS NULL");
            assert_refused(db.raw(&active), &refusal);
            db.raw(&format!("DELETE FROM {table} WHERE {both} AND deleted_at IS NOT NULL")).unwrap();
            assert_eq!(sample.rows(db), ["1", "0"], "{table}");
            db.raw(&format!("UPDATE {table} SET deleted_at = {} WHERE {both}", now(db))).unwrap();
            db.raw(&format!("DELETE FROM {table} WHERE {both}")).unwrap();
            assert_eq!(sample.rows(db), ["0", "0"], "{table}");
        }
    }

    fn a_typed_delete_of_a_scope_compiles_and_is_refused(db: &TestDatabase) {
        let database = open(db);
        let refused = database.write("test.delete", |conn| {
            let es = instruments::table.active().filter(instruments::symbol.eq("ES"));
            Ok(on_backend!(conn, |c| diesel::delete(es).execute(c))?)
        });
        let Err(Error::Query { source, .. }) = refused else { panic!("{refused:?}") };
        assert!(source.to_string().starts_with("instruments: an active row cannot"), "{source}");
    }
}

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// REPLACE deletes the rows in its way. SQLite asks the delete triggers about them only on a
/// connection that says so, as those of the crate do (`recursive_triggers`); a program with a
/// connection of its own that does not say so can still replace an active row.
#[cfg(feature = "sqlite")]
#[test]
fn replace_cannot_lose_an_active_row_through_the_write_door() {
    let db = TestDatabase::sqlite();
    SAMPLES.iter().for_each(|sample| sample.insert(&db));
    let same_key = SAMPLES.iter().flat_map(|sample| {
        ["REPLACE", "INSERT OR REPLACE"].map(|verb| sample.insertion(&db, verb, sample.active))
    });
    // Another row with the same unique key.
    let [instruments, _, bars, _, alerts, _] = &SAMPLES;
    let same_unique_key = [instruments, bars, alerts].map(|sample| {
        let other_id = sample.active.replacen("100", "102", 1);
        sample.insertion(&db, "INSERT OR REPLACE", &other_id)
    });
    let update = "UPDATE OR REPLACE instruments SET symbol = 'AAA' WHERE symbol = 'ES'";
    let database = open(&db);
    for sql in same_key.chain(same_unique_key).chain([update.to_owned()]) {
        let statement = diesel::sql_query(&sql);
        let refused = database.write("test.replace", move |conn| {
            Ok(on_backend!(conn, |c| statement.clone().execute(c))?)
        });
        let refused = refused.expect_err(&sql).chain();
        assert!(
            refused.contains("an active row cannot be deleted"),
            "{sql}: {refused}"
        );
    }
    for sample in &SAMPLES {
        assert_eq!(sample.rows(&db), ["1", "1"], "{}", sample.table);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn no_table_with_active_rows_can_be_truncated_on_postgres() {
    let db = TestDatabase::postgres();
    SAMPLES.iter().for_each(|sample| sample.insert(&db));
    for Sample { table, .. } in &SAMPLES {
        // Its own trigger speaks first, then those of the tables that refer to it.
        let refusal = format!("{table}: cannot be truncated, active rows would be lost");
        assert_refused(db.raw(&format!("TRUNCATE {table} CASCADE")), &refusal);
    }
    for sample in &SAMPLES {
        assert_eq!(sample.rows(&db), ["1", "1"], "{}", sample.table);
    }
}
