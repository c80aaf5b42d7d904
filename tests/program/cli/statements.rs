//! The statements that PostgreSQL is sent, looked through for forms that only one server can answer: those
//! would have to be written anew where ticks are spread over several, as by Citus. Each that there is has
//! its reason here; a new one fails until it is put in another way or has one, too.
#![cfg(all(feature = "postgres", feature = "archive", unix))]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::run;
use crate::support::TestDatabase;
use crate::support::process::Serving;
use crate::support::server::Server;

const PLACES: &str = "rows by their places";
const RECURSION: &str = "a recursive query";
const LOCKS: &str = "locked rows of a list";
const EACH: &str = "a row or an aggregate for each item of an array";

/// A form, a part of the statements that have it, and why they have it.
const REASONS: &[(&str, &str, &str)] = &[
    (
        PLACES,
        "WHERE ctid = ANY (ARRAY(SELECT ctid FROM",
        "a purge deletes by places in a fifth of the time that keys take",
    ),
    (
        LOCKS,
        "WHERE ctid = ANY (ARRAY(SELECT ctid FROM",
        "what is restored in that moment is not purged",
    ),
    (
        LOCKS,
        "WHERE ((\"alert_logs\".\"deleted_at\" IS NOT NULL)",
        "what is restored in that moment is not purged, nor are its deliveries",
    ),
    (
        LOCKS,
        "WHERE ((\"instrument_state\".\"instrument_id\" = ANY($1))",
        "a batch locks its instruments in one round trip",
    ),
    (
        EACH,
        "min(m.\"timestamp\") AS first, max(m.\"timestamp\") AS last",
        "two descents of the key, where a join would read every tick between them",
    ),
    (
        EACH,
        "WITH ORDINALITY AS k (instrument_id, \"timestamp\", source_id, sequence,",
        "one descent of the key for each row, however many the planner expects of a join",
    ),
    (
        EACH,
        "ORDER BY m.sequence DESC LIMIT 1",
        "one descent of the key, where a join would read every tick of a stamp",
    ),
    (
        RECURSION,
        "WITH RECURSIVE named (id) AS",
        "a check seeks from instrument to instrument, not through all ticks",
    ),
    (
        RECURSION,
        "WITH RECURSIVE stamps(stamp) AS",
        "the trash is listed from batch to batch, not through all rows of it",
    ),
];

/// What of a statement only one server can answer.
fn forms(statement: &str) -> Vec<&'static str> {
    let sql = statement.replace('"', "").to_uppercase();
    let words: BTreeSet<&str> = sql
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    let has = |word: &str| words.contains(word);
    let picks = has("LIMIT") || ["MIN(", "MAX("].iter().any(|call| sql.contains(call));
    let locks = ["FOR UPDATE", "FOR NO KEY UPDATE"];
    let locks = locks.iter().any(|lock| sql.contains(lock));
    let found = [
        (PLACES, has("CTID")),
        (RECURSION, sql.contains("WITH RECURSIVE")),
        // The row of a key is in one place.
        (LOCKS, locks && !sql.contains("= $1) LIMIT $2 FOR")),
        (EACH, has("LATERAL") && has("UNNEST") && picks),
    ];
    found
        .into_iter()
        .filter_map(|(form, is_there)| is_there.then_some(form))
        .collect()
}

/// The statements of a server's log.
fn logged(log: &str) -> BTreeSet<String> {
    let mut statements = Vec::new();
    let mut is_open = false;
    for line in log.lines() {
        if let Some(rest) = line.strip_prefix('\t').filter(|_| is_open) {
            let last: &mut String = statements.last_mut().unwrap();
            *last = format!("{last} {}", rest.trim());
            continue;
        }
        let text = line.split_once("LOG:  statement: ").map(|(_, text)| text);
        let prepared = || line.split_once("LOG:  execute ")?.1.split_once(": ");
        let text = text.or_else(|| prepared().map(|(_, text)| text));
        is_open = text.is_some();
        statements.extend(text.map(str::to_owned));
    }
    statements.into_iter().collect()
}

/// Calls every endpoint, and the commands that store, archive, delete and check.
fn work(db: &TestDatabase) {
    let serving = Serving::start(db, &[], &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/serve/endpoints.sh");
    let done = Command::new("bash")
        .arg(script)
        .arg(serving.base())
        .output();
    let done = done.unwrap();
    assert!(done.status.success(), "{done:?}");
    for _ in 0..2 {
        let tick = r#"[{"symbol": "NQ", "timestamp": "2013-09-04T10:00:00Z", "price": 3100}]"#;
        assert_eq!(serving.post("/api/market-data", tick).0, 200);
    }
    serving.stop();
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, header: &str, key: &str| {
        let row = |second| format!("ES,{}{key},1640.25\n", 1_375_351_200 + second);
        let rows: String = (0..300).map(row).collect();
        let path = place.path().join(name);
        let rows = format!("symbol,timestamp{header},price\n{rows}");
        std::fs::write(&path, rows).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (keyed, bare) = (
        file("keyed.csv", ",sequence", ",1"),
        file("bare.csv", "", ""),
    );
    for arguments in [
        &["import", &keyed][..],
        &["import", &keyed],
        &["import", &bare],
        &["import", &bare],
        &["bars", "build", "--symbol", "ES", "--frequency", "1min"],
        &["archive", "run", "--symbol", "ES"],
        &["import", &keyed],
        &["archive", "verify"],
        &["retention", "set", "ticks", "--delete-after", "30d"],
        &["retention", "run"],
        &["purge", "--older-than", "0s"],
        &["stats"],
        &["check", "--deep"],
    ] {
        let done = run(db, arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {done:?}");
    }
}

#[test]
fn each_statement_that_one_server_alone_can_answer_has_its_reason() {
    let server = Server::start();
    let db = TestDatabase::postgres_empty_on(&server);
    assert_eq!(run(&db, &["migrate", "run"]).code, Some(0));
    db.raw(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_statement = ''all''', \
         current_database()); END $$",
    )
    .unwrap();
    work(&db);
    let log = std::fs::read_to_string(server.directory().join("log")).unwrap();
    let statements = logged(&log);
    assert!(statements.len() > 200, "{}", statements.len());
    let (mut unknown, mut seen) = (Vec::new(), BTreeSet::new());
    for statement in &statements {
        for form in forms(statement) {
            let known = REASONS
                .iter()
                .position(|(of, part, _)| *of == form && statement.contains(part));
            match known {
                Some(at) => drop(seen.insert(at)),
                None => unknown.push(format!("{form}: {statement}")),
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "these have no reason:\n{}",
        unknown.join("\n")
    );
    let unseen = REASONS.iter().enumerate();
    let unseen: Vec<_> = unseen.filter(|(at, _)| !seen.contains(at)).collect();
    assert!(unseen.is_empty(), "nothing has these: {unseen:?}");
}

#[test]
fn a_form_is_found_wherever_it_stands_in_a_statement() {
    for (statement, found) in [
        ("SELECT ctid FROM t", PLACES),
        ("WITH recursive n AS (SELECT 1) SELECT 1", RECURSION),
        ("SELECT 1 FROM t FOR NO KEY UPDATE", LOCKS),
        (
            "SELECT m.x FROM UNNEST($1) AS k CROSS JOIN LATERAL (SELECT x FROM t LIMIT 1) AS m",
            EACH,
        ),
    ] {
        assert_eq!(forms(statement), [found], "{statement}");
    }
    for statement in [
        "SELECT m.x FROM UNNEST($1) AS k JOIN t AS m ON m.id = k LIMIT 1",
        "UPDATE t SET octid = 1",
        "SELECT 1 FROM t WHERE (t.id = $1) LIMIT $2 FOR UPDATE",
    ] {
        assert_eq!(forms(statement), [""; 0], "{statement}");
    }
}
