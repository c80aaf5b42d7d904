//! Everything that a database holds, as lines of text: its tables, indexes, triggers, functions
//! and rows. Two equal dumps are two equal databases, but for what the planner of SQLite notes down when
//! a connection ends.

use crate::support::TestDatabase;

const SQLITE_OBJECTS: &str = "SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || \
     coalesce(sql, 'automatic') AS text FROM sqlite_master \
     WHERE name NOT IN ('sqlite_sequence', 'sqlite_stat1')";

const SQLITE_ROWS: &str = "SELECT 'SELECT ''row of ' || name || ': '' || ' || \
     (SELECT group_concat('quote(\"' || c.name || '\")', ' || '', '' || ') \
      FROM pragma_table_info(m.name) c) || ' AS text FROM ' || name AS text \
     FROM sqlite_master m WHERE type = 'table' AND name <> 'sqlite_stat1'";

/// One query for each kind of thing in the schema `public`.
const POSTGRES_OBJECTS: [&str; 8] = [
    "SELECT 'relation ' || c.relkind::text || ' ' || c.relname AS text \
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace",
    // Without their places: a way back adds columns at the end, and every statement names them.
    "SELECT 'column ' || attrelid::regclass || ' ' || attname || ' ' || \
       format_type(atttypid, atttypmod) || ' ' || attnotnull || attidentity::text || \
       coalesce(' ' || pg_get_expr(adbin, adrelid), '') || coalesce(' ' || collname, '') AS text \
     FROM pg_attribute JOIN pg_class c ON c.oid = attrelid \
     LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
     LEFT JOIN pg_collation o ON o.oid = attcollation \
     WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped",
    "SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ': ' || \
       pg_get_constraintdef(oid) AS text \
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "SELECT 'index ' || indexdef AS text FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT 'trigger ' || pg_get_triggerdef(oid) AS text FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT 'function ' || pg_get_functiondef(oid) AS text \
     FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "SELECT 'sequence ' || sequencename || ' at ' || coalesce(last_value::text, 'start') AS text \
     FROM pg_sequences WHERE schemaname = 'public'",
    "SELECT 'type ' || typname || ' ' || typtype::text AS text \
     FROM pg_type WHERE typnamespace = 'public'::regnamespace",
];

const POSTGRES_ROWS: &str = "SELECT format('SELECT ''row of %s: '' || to_jsonb(t)::text AS text FROM %s t', \
     oid::regclass, oid::regclass) AS text FROM pg_class \
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";

/// The dump of a database, sorted.
pub(crate) fn dump(db: &TestDatabase) -> Vec<String> {
    let (objects, rows): (&[&str], &str) = if db.dir().is_some() {
        (&[SQLITE_OBJECTS], SQLITE_ROWS)
    } else {
        (&POSTGRES_OBJECTS, POSTGRES_ROWS)
    };
    let mut lines: Vec<String> = objects.iter().flat_map(|sql| db.texts(sql)).collect();
    for sql in db.texts(rows) {
        lines.extend(db.texts(&sql));
    }
    lines.sort();
    lines
}

/// The lines that only one of two dumps has, with `+` for the first.
pub(crate) fn difference(one: &[String], other: &[String]) -> Vec<String> {
    let only = |sign: char, these: &[String], those: &[String]| -> Vec<String> {
        let alone = these.iter().filter(|line| !those.contains(line));
        alone.map(|line| format!("{sign} {line}")).collect()
    };
    [only('+', one, other), only('-', other, one)].concat()
}
