//! What only certain rooms may do: write SQL, name Diesel's query language, read the time of day.

use crate::source::{Source, Violation};

/// Rooms that write SQL and run queries.
const SQL_ROOMS: [&str; 2] = ["repository", "database"];

/// Rooms that build the typed tables and rows, and so name Diesel, but run nothing.
const ROW_ROOMS: [&str; 6] = [
    "schema",
    "schema_postgres",
    "soft_delete",
    "tables",
    "models",
    "sql_types",
];

/// What a value needs in order to be written in SQL and read back: no query can be built of it.
const FOR_VALUES: [&str; 9] = [
    "deserialize",
    "serialize",
    "expression::AsExpression",
    "sql_types",
    "backend",
    "pg::Pg",
    "pg::data_types",
    "sqlite::Sqlite",
    "result::Error",
];

/// Rooms whose values are stored as they are.
const VALUE_ROOMS: [&str; 4] = ["error", "timestamp", "decimal", "domain"];

/// How an SQL statement begins.
const STATEMENTS: [&str; 19] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE ",
    "REPLACE ",
    "WITH ",
    "CREATE ",
    "DROP ",
    "ALTER ",
    "TRUNCATE ",
    "PRAGMA ",
    "EXPLAIN ",
    "VACUUM",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT ",
    "COPY ",
];

/// How the time of day is read in Rust.
const CLOCK_CALLS: [&str; 8] = [
    "SystemTime::now",
    "UNIX_EPOCH.elapsed",
    "Timestamp::now",
    "ZonedDateTime::now",
    "Utc::now",
    "Local::now",
    "OffsetDateTime::now",
    "dsl::now",
];

/// How the time of day is read in SQL.
const SQL_CLOCK: [&str; 6] = [
    "CURRENT_TIMESTAMP",
    "CURRENT_TIME",
    "unixepoch(",
    "now()",
    "clock_timestamp(",
    "'now'",
];

/// SQL and Diesel outside the rooms that own them. Test code is free.
pub(crate) fn sql(source: &Source) -> Vec<Violation> {
    let Some(room) = source.room() else {
        return Vec::new(); // The crate's root re-exports Diesel.
    };
    if SQL_ROOMS.contains(&room) {
        return Vec::new();
    }
    let mut places: Vec<(usize, String)> = Vec::new();
    for (at, text) in &source.strings {
        if let Some(word) = STATEMENTS
            .iter()
            .find(|word| text.trim_start().starts_with(**word))
        {
            places.push((*at, format!("`{room}` writes SQL ({})", word.trim())));
        }
    }
    if !ROW_ROOMS.contains(&room) {
        places.extend(diesel_paths(source, VALUE_ROOMS.contains(&room)));
    }
    let remedy = "put the query into `repository`, behind a function with a name of the field";
    places
        .into_iter()
        .filter(|(at, _)| !source.is_test_code(*at))
        .map(|(at, rule)| source.violation(at, &rule, remedy))
        .collect()
}

/// Paths into Diesel that a room may not name, and runs of a query.
fn diesel_paths(source: &Source, has_values: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in source.code.match_indices("diesel::") {
        let path = &source.code[at + "diesel::".len()..];
        let for_values = has_values && FOR_VALUES.iter().any(|allowed| path.starts_with(allowed));
        if !for_values {
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let name = &path[..end.unwrap_or(path.len())];
            found.push((
                at,
                format!("`diesel::{name}` is named outside the rooms of SQL"),
            ));
        }
    }
    for word in ["on_backend!", "sql_query("] {
        let runs = source.code.match_indices(word);
        found.extend(runs.map(|(at, _)| (at, format!("a query is run here ({word})"))));
    }
    found
}

/// The time of day, read anywhere but in the clock.
pub(crate) fn time_of_day(source: &Source) -> Vec<Violation> {
    if source.path == "src/clock.rs" {
        return Vec::new();
    }
    let mut places: Vec<usize> = CLOCK_CALLS
        .iter()
        .flat_map(|call| source.code.match_indices(call).map(|(at, _)| at))
        .collect();
    for (at, text) in &source.strings {
        let asks = SQL_CLOCK.iter().any(|word| text.contains(word));
        if asks && !source.is_test_code(*at) {
            places.push(*at);
        }
    }
    let rule = "the time of day is read outside the clock";
    let remedy = "take a `Timestamp` from the caller, who asks `db.clock().now()`";
    places
        .into_iter()
        .map(|at| source.violation(at, rule, remedy))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<String> {
        let found = rule(&Source::new(path, text));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sql_outside_its_rooms_is_found() {
        for (text, word) in [
            ("fn f() { g(\"SELECT 1\") }", "SELECT"),
            ("fn f() { g(\"  PRAGMA optimize\") }", "PRAGMA"),
            ("fn f() { g(r#\"DELETE FROM x\"#) }", "DELETE"),
            ("use diesel::prelude::*;", "diesel::prelude::"),
            ("use crate::diesel::dsl::count;", "diesel::dsl::count"),
            (
                "fn f() { crate::on_backend!(conn, |c| q.load(c)) }",
                "on_backend!",
            ),
        ] {
            let found = broken(sql, "src/services/x.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(
                found[0].starts_with("src/services/x.rs:1: "),
                "{}",
                found[0]
            );
            assert!(found[0].contains(word), "{}", found[0]);
            assert_eq!(
                broken(sql, "src/repository/x.rs", text),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn a_value_says_how_it_is_written_and_runs_no_query() {
        let value = "use diesel::deserialize::FromSql;\nuse diesel::sql_types::Text;";
        assert_eq!(broken(sql, "src/domain/x.rs", value), Vec::<String>::new());
        assert_eq!(broken(sql, "src/ingest/x.rs", value).len(), 2);
        assert_eq!(
            broken(sql, "src/domain/x.rs", "use diesel::prelude::*;").len(),
            1
        );
        assert_eq!(
            broken(sql, "src/models/x.rs", "use diesel::prelude::*;").len(),
            0
        );
        assert_eq!(
            broken(sql, "src/models/x.rs", "const Q: &str = \"SELECT 1\";").len(),
            1
        );
    }

    #[test]
    fn words_for_people_are_no_sql() {
        let text = "const HELP: &str = \"selects a row; DELETEs nothing\"; // SELECT 1";
        assert_eq!(
            broken(sql, "src/bin/tickbase/x.rs", text),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_time_of_day_is_found_in_code_and_in_sql() {
        for text in [
            "let now = std::time::SystemTime::now();",
            "let now = jiff::Timestamp::now();",
            "let sql = \"UPDATE x SET at = CURRENT_TIMESTAMP\";",
            "let sql = \"SELECT unixepoch('subsec')\";",
        ] {
            let found = broken(time_of_day, "src/repository/x.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains("db.clock().now()"), "{}", found[0]);
        }
        let text = "let now = jiff::Timestamp::now();";
        assert_eq!(broken(time_of_day, "tests/x.rs", text).len(), 1);
        assert_eq!(broken(time_of_day, "src/clock.rs", text).len(), 0);
        assert_eq!(
            broken(time_of_day, "src/a.rs", "let t = Instant::now();").len(),
            0
        );
    }
}
