//! The two schema files that the diesel CLI generates, compared with each other, with the
//! databases that the migrations make, and with the models.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::path::Path;

use diesel::query_builder::AsQuery;

use super::{schema_postgres, schema_sqlite};
use crate::support::{TestDatabase, on_both};

/// What the CLI prints for PostgreSQL, what it prints for SQLite, and why they mean the same.
const SAME_TYPES: [(&str, &str, &str); 6] = [
    ("Bytea", "Binary", "Diesel's alias"),
    ("Int8", "BigInt", "Diesel's alias"),
    ("Int4", "Integer", "Diesel's alias"),
    ("Float8", "Double", "Diesel's alias"),
    (
        "Timestamptz",
        "Timestamp",
        "our type, imported under this name",
    ),
    ("Numeric", "Decimal", "our type, imported under this name"),
];

/// Lines that only SQLite's file has: PostgreSQL holds these references by triggers, which are
/// cheaper than a foreign key per row and which the CLI does not see. The code is written against
/// SQLite's file, so it may join them on both.
const ONLY_ON_SQLITE: [&str; 2] = [
    "diesel::joinable!(market_data -> data_sources (source_id));",
    "diesel::joinable!(market_data -> instruments (instrument_id));",
];

/// How each file imports our types under the names that the CLI prints.
const SQLITE_IMPORT: &str = "    use crate::sql_types::{Decimal, Timestamp};";
const POSTGRES_IMPORT: &str =
    "    use crate::sql_types::{Decimal as Numeric, Timestamp as Timestamptz};";

/// The digits of decimals: TEXT on SQLite, which src/schema.patch turns into Decimal.
const PATCHED: [&str; 1] = ["alert_rules.threshold"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a line is of those that a patch file adds at the top.
fn says_what_it_is(line: &str) -> bool {
    line.starts_with("//! ")
}

/// The text with PostgreSQL's names of the types in SQLite's words.
fn in_sqlite_words(line: &str) -> String {
    if line == POSTGRES_IMPORT {
        return SQLITE_IMPORT.to_owned();
    }
    let mut words = String::new();
    for piece in line.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let same = SAME_TYPES.iter().find(|(postgres, ..)| *postgres == word);
        words.push_str(same.map_or(word, |(_, sqlite, _)| sqlite));
        words.push_str(&piece[word.len()..]);
    }
    words
}

#[test]
fn the_generated_files_differ_only_in_names_of_the_same_types() {
    let (sqlite, postgres) = (read("src/schema.rs"), read("src/schema_postgres.rs"));
    for line in ONLY_ON_SQLITE {
        assert_eq!(
            sqlite.matches(line).count(),
            1,
            "{line} is gone from SQLite"
        );
        assert!(!postgres.contains(line), "{line}: PostgreSQL has it, too");
    }
    let shared: Vec<(usize, &str)> = (1..)
        .zip(sqlite.lines())
        .filter(|(_, line)| !ONLY_ON_SQLITE.contains(line) && !says_what_it_is(line))
        .collect();
    let others = postgres.lines().filter(|line| !says_what_it_is(line));
    for ((line, one), other) in shared.iter().copied().zip(others.clone()) {
        assert_eq!(
            one,
            in_sqlite_words(other),
            "src/schema.rs:{line}: PostgreSQL has the right"
        );
    }
    assert_eq!(shared.len(), others.count());
    for (name, _, why) in SAME_TYPES {
        assert!(
            postgres.contains(name),
            "{name} ({why}) is gone: take its line out of this test"
        );
    }
}

#[test]
fn a_difference_that_is_not_listed_is_seen() {
    for (line, same) in [
        ("        id -> Int8,", "        id -> BigInt,"),
        (
            "        at -> Nullable<Timestamptz>,",
            "        at -> Nullable<Timestamp>,",
        ),
        ("        id -> Int2,", "        id -> Int2,"),
        ("        at -> Timestamptz,", "        at -> Timestamp,"),
        ("        Int8x -> Text,", "        Int8x -> Text,"),
    ] {
        assert_eq!(in_sqlite_words(line), same);
    }
}

/// One `table!` of a generated file.
struct Table {
    name: String,
    key: String,
    /// Name, type, whether it is nullable.
    columns: Vec<(String, String, bool)>,
}

/// The tables of a generated file, in SQLite's words.
fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines().map(in_sqlite_words) {
        let line = line.trim();
        if let Some((name, rest)) = line.split_once(" (")
            && let Some(key) = rest.strip_suffix(") {")
        {
            let (name, key) = (name.to_owned(), key.to_owned());
            tables.push(Table {
                name,
                key,
                columns: Vec::new(),
            });
        } else if let Some((name, kind)) = line.split_once(" -> ")
            && let Some(kind) = kind.strip_suffix(',')
        {
            let inner = kind
                .strip_prefix("Nullable<")
                .and_then(|k| k.strip_suffix('>'));
            let column = (
                name.to_owned(),
                inner.unwrap_or(kind).to_owned(),
                inner.is_some(),
            );
            tables
                .last_mut()
                .expect("a column stands in a table")
                .columns
                .push(column);
        }
    }
    tables
}

/// The columns of every table in the database, as `table.column type NULL`, the key last.
fn columns_in(db: &TestDatabase) -> BTreeSet<String> {
    let sql = if db.dir().is_some() {
        "SELECT m.name || '.' || c.name || ' ' || c.type || iif(c.\"notnull\", '', ' NULL') AS text \
         FROM sqlite_master m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         UNION ALL SELECT name || ' (' || (SELECT group_concat(name, ', ') FROM \
           (SELECT name FROM pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk)) || ')' \
         FROM sqlite_master m WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    } else {
        "SELECT table_name || '.' || column_name || ' ' || data_type \
           || CASE WHEN numeric_scale > 0 THEN '(' || numeric_precision || ',' || numeric_scale || ')' \
              ELSE '' END \
           || CASE is_nullable WHEN 'YES' THEN ' NULL' ELSE '' END AS text \
         FROM information_schema.columns WHERE table_schema = 'public' \
         AND table_name NOT IN (SELECT viewname FROM pg_views) \
         UNION ALL SELECT table_name || ' (' || string_agg(column_name, ', ' ORDER BY ordinal_position) \
           || ')' FROM information_schema.key_column_usage JOIN information_schema.table_constraints \
           USING (constraint_schema, constraint_name, table_name) \
         WHERE constraint_type = 'PRIMARY KEY' AND constraint_schema = 'public' GROUP BY table_name"
    };
    db.texts(sql).into_iter().collect()
}

/// How the migrations of a backend declare a column of a type.
fn declared(table: &str, column: &str, kind: &str, key: &str, on_sqlite: bool) -> &'static str {
    let patched = PATCHED.contains(&format!("{table}.{column}").as_str());
    assert_eq!(patched, kind == "Decimal", "{table}.{column}");
    match (kind, on_sqlite) {
        // A lone integer key is SQLite's rowid, always 64 bits wide.
        ("BigInt", true) if column == key => "INTEGER",
        ("BigInt", true) => "BIGINT",
        ("BigInt", false) => "bigint",
        ("Integer", true) => "INTEGER",
        ("Integer", false) => "integer",
        ("Binary", true) => "BLOB",
        ("Binary", false) => "bytea",
        ("Double", true) => "DOUBLE PRECISION",
        ("Double", false) => "double precision",
        ("Text" | "Decimal", true) => "TEXT",
        ("Text", false) => "text",
        ("Bool", true) => "BOOLEAN",
        ("Bool", false) => "boolean",
        ("Timestamp", true) => "TIMESTAMP",
        ("Timestamp", false) => "timestamp with time zone",
        ("Decimal", false) => "numeric",
        _ => panic!("{table}.{column} has the type {kind}, which this test does not know"),
    }
}

on_both! {
    fn the_migrated_database_is_what_the_generated_file_says(db: &TestDatabase) {
        let on_sqlite = db.dir().is_some();
        let file = if on_sqlite { "src/schema.rs" } else { "src/schema_postgres.rs" };
        let mut expected = BTreeSet::new();
        for table in tables(&read(file)) {
            expected.insert(format!("{} ({})", table.name, table.key));
            for (column, kind, nullable) in &table.columns {
                let declared = declared(&table.name, column, kind, &table.key, on_sqlite);
                let null = if *nullable { " NULL" } else { "" };
                expected.insert(format!("{}.{column} {declared}{null}", table.name));
            }
        }
        let found = columns_in(db);
        let missing: Vec<_> = expected.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{file} is not the schema of the migrations; generate it again (diesel.toml says \
             how)\nonly in the file: {missing:#?}\nonly in the database: {surplus:#?}"
        );
    }
}

/// Asserts that the tables have the same types of all columns, and names the tables.
macro_rules! same_types {
    ($($table:ident),+ $(,)?) => {{
        $(
            assert_eq!(
                TypeId::of::<<schema_sqlite::$table::table as AsQuery>::SqlType>(),
                TypeId::of::<<schema_postgres::$table::table as AsQuery>::SqlType>(),
                "the columns of {} differ in type",
                stringify!($table),
            );
        )+
        [$(stringify!($table)),+]
    }};
}

#[test]
fn the_generated_types_of_every_table_are_the_same_types() {
    let compared = same_types!(
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
    let all: Vec<String> = tables(&read("src/schema.rs"))
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert_eq!(all, compared);
}

/// The compiler checks the models that `read_models!` names, on both backends.
#[test]
fn every_read_model_is_checked_on_both_backends() {
    let root = read("src/models.rs");
    let (_, list) = root
        .split_once("\nread_models!(")
        .expect("src/models.rs names the models");
    let (list, _) = list.split_once(");").unwrap();
    let checked: BTreeSet<String> = list
        .split(',')
        .map(str::trim)
        .filter(|m| !m.is_empty())
        .map(str::to_owned)
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/models");
    let mut models = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(
            !text.contains("check_for_backend"),
            "no model switches Diesel's own check off"
        );
        for derive in text.split("#[derive(").skip(1) {
            let reads = ["HasQuery", "Queryable", "Selectable"];
            let (traits, item) = derive.split_once(")]").unwrap();
            if reads
                .iter()
                .any(|name| traits.split([',', ' ']).any(|t| t == *name))
            {
                let (_, name) = item.split_once("pub struct ").unwrap();
                models.insert(name.split([' ', '<', '{']).next().unwrap().to_owned());
            }
        }
    }
    assert!(models.len() >= 6, "{models:?}");
    assert_eq!(checked, models);
}
