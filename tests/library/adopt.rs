//! The database of TradeAssist brought over, of each of its schemas: counts and sums of both sides,
//! what is rejected and why, a second run, a trial, and numbers that are taken.

use std::collections::BTreeMap;

use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::ingest::{Adopt, AdoptReport, adopt};
use tickbase::repository::{alert_rule, saved_query};

use crate::support::tradeassist::{OldFile, SCHEMAS, WRONG_TICKS};
use crate::support::{TestDatabase, db_read, db_write, on_both};

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

fn plan(old: &OldFile) -> Adopt {
    Adopt {
        rejects: old.rejects(),
        ..Adopt::new(old.path())
    }
}

/// `[read, brought, present, rejected]` of a table.
fn figures(report: &AdoptReport, table: &str) -> [u64; 4] {
    let of = report.tables.iter().find(|of| of.table == table).unwrap();
    [of.read, of.brought, of.present, of.rejected]
}

/// How many rows were rejected, by table and reason.
fn rejected(report: &AdoptReport) -> BTreeMap<(&str, &str), u64> {
    let rows = report.rejected.iter();
    rows.map(|of| ((of.table.as_str(), of.reason.as_str()), of.rows))
        .collect()
}

/// Count and sum of a statement of each side, which must name them `text`.
fn same(old: &OldFile, old_sql: &str, db: &TestDatabase, sql: &str) {
    let (there, here) = (old.texts(old_sql), db.texts(sql));
    assert_eq!(there, here, "{old_sql}\n{sql}");
}

/// What the adopted rows are, for a comparison before and after.
fn everything(db: &TestDatabase) -> Vec<String> {
    let ticks = "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(count(deleted_at) AS TEXT) || ' ' || \
         CAST(coalesce(sum(sequence), 0) AS TEXT) AS text FROM market_data";
    let bars = "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(coalesce(sum(id), 0) AS TEXT) AS text \
                FROM market_data_bars";
    let rules = "SELECT id || ' ' || instrument_id || ' ' || coalesce(name, '-') || ' ' || updated_at \
                 AS text FROM alert_rules ORDER BY id";
    let alerts = "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(coalesce(sum(id), 0) AS TEXT) AS text FROM alert_logs";
    let instruments = "SELECT id || symbol || name || status || updated_at || rules_version || \
         ticks_version || coalesce(last_tick || '', '-') AS text FROM instruments \
         JOIN instrument_state ON instrument_id = id ORDER BY id";
    let sources = "SELECT id || name || updated_at || coalesce(configuration, '-') AS text \
                   FROM data_sources ORDER BY id";
    let queries = "SELECT id || name || execution_count AS text FROM saved_queries ORDER BY id";
    [ticks, bars, rules, alerts, instruments, sources, queries]
        .iter()
        .flat_map(|sql| db.texts(sql))
        .collect()
}

/// The rows of a schema in the tables of months and quarters.
fn partitioned(old: &OldFile) -> (u64, u64) {
    if old.schema == "last" {
        (200, 2)
    } else {
        (0, 0)
    }
}

/// Prices and volumes of an instrument on both sides, each summed by its own database.
fn assert_ticks_of(old: &OldFile, db: &TestDatabase, old_ids: &str, symbol: &str) {
    let text = "CAST(count(*) AS TEXT) || ' ' || CAST(CAST(sum(price * 4) AS BIGINT) AS TEXT) || ' ' || \
                CAST(CAST(sum(volume) AS BIGINT) AS TEXT) AS text";
    let one = "SELECT instrument_id, timestamp, price, volume FROM ";
    let mut rows = format!("{one}market_data");
    if old.schema == "last" {
        rows.push_str(&format!(" UNION ALL {one}market_data_2025_09"));
    }
    same(
        old,
        &format!(
            "SELECT {text} FROM ({rows}) WHERE instrument_id IN ({old_ids}) AND \
             timestamp NOT IN ('2025-08-24 00:00:00.000000', 'yesterday')"
        ),
        db,
        &format!(
            "SELECT {text} FROM market_data WHERE instrument_id = \
             (SELECT id FROM instruments WHERE symbol = '{symbol}' AND deleted_at IS NULL)"
        ),
    );
}

fn assert_brought(old: &OldFile, db: &TestDatabase, report: &AdoptReport, ticks: u64) {
    assert!(report.agrees(), "{report:#?}");
    assert_eq!(
        figures(report, "market_data"),
        [ticks + WRONG_TICKS, ticks, 0, WRONG_TICKS]
    );
    assert_eq!(figures(report, "instruments"), [16, 2, 13, 1]);
    assert_eq!(figures(report, "alert_rules"), [6, 4, 0, 2]);
    assert_eq!(figures(report, "alert_logs"), [304, 301, 0, 3]);
    let (by_month, by_quarter) = partitioned(old);
    if by_month > 0 {
        assert_eq!(
            figures(report, "market_data_2025_09"),
            [by_month, by_month, 0, 0]
        );
        assert_eq!(
            figures(report, "alert_logs_2025_q3"),
            [by_quarter, by_quarter, 0, 0]
        );
    }
    let count = |sql: &str| db.texts(sql)[0].parse::<u64>().unwrap();
    let stored = count("SELECT CAST(count(*) AS TEXT) AS text FROM market_data");
    assert_eq!(stored, ticks + by_month);
    // The first instrument came twice, in either case.
    assert_ticks_of(old, db, "1, 21", "ES");
    assert_ticks_of(old, db, "2", "NQ");
    assert_ticks_of(old, db, "20", "ZB");
    if old.has_bars() {
        assert_eq!(figures(report, "market_data_bar"), [1605, 1600, 0, 5]);
        assert_eq!(figures(report, "data_query"), [3, 2, 0, 1]);
        assert_eq!(
            report.added_for_bars,
            ["$SPX (index)", "/NQ (future)", "AAPL (equity)"]
        );
    }
    if old.has_soft_delete() {
        let deleted = "SELECT CAST(count(*) AS TEXT) AS text FROM market_data WHERE";
        same(
            old,
            &format!(
                "{deleted} deleted_at IS NOT NULL AND timestamp <> '2025-08-24 00:00:00.000000' \
                      AND timestamp <> 'yesterday'"
            ),
            db,
            &format!("{deleted} deleted_at IS NOT NULL"),
        );
        let moments = "SELECT DISTINCT deleted_at || '' AS text FROM market_data \
                       WHERE deleted_at IS NOT NULL ORDER BY 1";
        let first = if db.dir().is_some() {
            "1756641600000000"
        } else {
            "2025-08-31 12:00:00+00"
        };
        let moments = db.texts(moments);
        assert_eq!((moments.len(), moments[0].as_str()), (2, first));
    }
}

on_both! {
    fn each_schema_comes_over_whole_and_a_second_run_brings_nothing(db: &TestDatabase) {
        for schema in SCHEMAS {
            // The second is the third without its soft delete.
            let ticks = if schema == "reference" { 1_000 } else { 100_000 };
            let old = OldFile::new(schema, ticks);
            let db = db.empty_sibling();
            let database = open(&db);
            let before = old.bytes();
            let report = adopt(&database, &plan(&old)).unwrap();
            assert_brought(&old, &db, &report, ticks);
            let here = everything(&db);
            let again = adopt(&database, &plan(&old)).unwrap();
            assert!(again.agrees(), "{again:#?}");
            for table in &again.tables {
                assert_eq!((table.brought, table.read), (0, table.present + table.rejected), "{table:?}");
            }
            // A bar whose period has another one is no more present at the second run than at the first.
            assert_eq!(rejected(&again), rejected(&report));
            assert_eq!(everything(&db), here);
            assert!(old.bytes() == before, "the old file is as it was");
        }
    }

    fn rejected_rows_are_counted_by_reason_and_written_down(db: &TestDatabase) {
        let old = OldFile::new("last", 1_000);
        let report = adopt(&open(db), &plan(&old)).unwrap();
        let expected = BTreeMap::from([
            (("alert_logs", "orphan"), 3),
            (("alert_rules", "condition"), 1),
            (("alert_rules", "orphan"), 1),
            (("data_query", "symbols"), 1),
            (("instruments", "symbol"), 1),
            (("market_data", "orphan"), 8),
            (("market_data", "price"), 1),
            (("market_data", "tick"), 2),
            (("market_data", "timestamp"), 1),
            (("market_data", "volume"), 2),
            (("market_data_bar", "frequency"), 1),
            (("market_data_bar", "high"), 1),
            (("market_data_bar", "orphan"), 1),
            (("market_data_bar", "period"), 1),
            (("market_data_bar", "symbol"), 1),
        ]);
        assert_eq!(rejected(&report), expected);
        let text = std::fs::read_to_string(old.rejects()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len() as u64, expected.values().sum::<u64>());
        let spaced = lines.iter().find(|line| line["table"] == "instruments").unwrap();
        assert_eq!(spaced["row"]["id"], 22);
        assert_eq!(spaced["row"]["symbol"], "A  B");
        assert!(spaced["reason"].as_str().unwrap().contains("two in a row"), "{spaced}");
    }

    fn what_comes_over_is_what_it_was(db: &TestDatabase) {
        let old = OldFile::new("last", 1_000);
        let database = open(db);
        adopt(&database, &plan(&old)).unwrap();
        let instruments = db.texts("SELECT id || ' ' || symbol || ' ' || name || ' ' || status AS text \
            FROM instruments WHERE id IN (1, 2, 12, 20, 23) ORDER BY id");
        assert_eq!(instruments, ["1 ES The mini active", "2 NQ E-mini Nasdaq-100 active",
            "12 TRIN Arms Index (TRIN) inactive", "20 ZB Bonds active", "23 ZN Notes active"]);
        let first = db_read!(database, alert_rule::get(1)).unwrap();
        assert_eq!(first.threshold.as_ref().unwrap().to_string(), "1650.25");
        assert_eq!(first.last_triggered.unwrap().to_string(), "2025-08-24T02:00:00.000000Z");
        assert_eq!(first.created_at.to_string(), "2025-08-28T23:00:00.000000Z");
        let second = db_read!(database, alert_rule::get(2)).unwrap();
        assert_eq!((second.instrument_id, second.active), (20, false));
        assert_eq!(second.threshold.unwrap().to_string(), "0.1");
        assert_eq!(db_read!(database, alert_rule::get(7)).unwrap().instrument_id, 1);
        let multi = db_read!(database, alert_rule::get(9)).unwrap();
        assert_eq!((multi.condition, multi.threshold), (None, None));
        let expression = r#"{"all":[{"condition":"above","threshold":"1650"}]}"#;
        assert_eq!(multi.expression.as_deref(), Some(expression));
        let query = db_read!(database, saved_query::get(1)).unwrap();
        assert_eq!((query.execution_count, query.is_favorite), (3, true));
        assert_eq!(query.filters.as_deref(), Some("{\"max_records\": 10}"));
        let last = db.texts("SELECT last_price || '' AS text FROM instrument_state WHERE instrument_id = 23");
        assert_eq!(last, ["110.5"]);
        // Nothing of the history is sent anew.
        let unsent = db.texts("SELECT CAST(count(*) AS TEXT) AS text FROM alert_logs \
            WHERE delivery_status = 'pending' AND delivery_attempted_at IS NULL");
        assert_eq!(unsent, ["0"]);
        let words = db.texts("SELECT DISTINCT fired_status || ' ' || delivery_status || ' ' || rule_condition \
            AS text FROM alert_logs ORDER BY 1");
        assert_eq!(words, ["fired all_delivered above", "fired pending above", "fired pending crosses_above",
            "suppressed failed crosses_above"]);
        // Numbers go on behind those that came.
        let rule = first.clone();
        let new = tickbase::models::NewAlertRule {
            condition: rule.condition,
            threshold: rule.threshold,
            ..tickbase::models::NewAlertRule::new(1, rule.rule_type)
        };
        assert_eq!(db_write!(database, |now| alert_rule::insert(&new, now)).unwrap().id, 11);
    }

    fn a_trial_reports_the_same_and_stores_nothing(db: &TestDatabase) {
        let old = OldFile::new("last", 1_000);
        let database = open(db);
        let before = everything(db);
        let trial = adopt(&database, &Adopt { dry_run: true, ..plan(&old) }).unwrap();
        assert_eq!(everything(db), before);
        let mut report = adopt(&database, &plan(&old)).unwrap();
        assert!(report.agrees() && !report.dry_run);
        report.dry_run = true;
        // PostgreSQL gives no number twice, also not one that a trial has drawn.
        let named = |report: &AdoptReport| -> Vec<(String, i64)> {
            report.moved.iter().map(|of| (of.table.clone(), of.old)).collect()
        };
        assert_eq!(named(&trial), named(&report));
        report.moved.clone_from(&trial.moved);
        assert_eq!(trial, report);
    }

    fn a_later_run_brings_what_has_come_meanwhile_and_undoes_nothing_here(db: &TestDatabase) {
        let old = OldFile::new("phase1", 1_000);
        let database = open(db);
        adopt(&database, &plan(&old)).unwrap();
        db.raw("UPDATE market_data SET deleted_at = (SELECT created_at FROM instruments WHERE id = 1) \
            WHERE sequence = 10; \
            UPDATE alert_rules SET name = 'renamed' WHERE id = 1; \
            UPDATE instruments SET name = 'renamed', updated_at = created_at WHERE id = 20").unwrap();
        old.run("INSERT INTO market_data (timestamp, instrument_id, price, volume) \
            VALUES ('2025-09-03 00:00:00.000000', 1, 1700, 3), ('2025-09-03 00:00:00.000000', 1, 1700, 3); \
            INSERT INTO alert_logs (timestamp, rule_id, instrument_id, trigger_value, threshold_value, \
            fired_status, delivery_status, rule_condition) \
            VALUES ('2025-09-03 00:00:00.000000', 1, 1, 1700, 1, 'fired', 'pending', 'above')");
        let report = adopt(&database, &plan(&old)).unwrap();
        assert!(report.agrees(), "{report:#?}");
        let ticks = 1_000 + WRONG_TICKS + 2;
        assert_eq!(figures(&report, "market_data"), [ticks, 2, 1_000, WRONG_TICKS]);
        assert_eq!(figures(&report, "alert_logs"), [305, 1, 301, 3]);
        assert_eq!(figures(&report, "alert_rules"), [6, 0, 4, 2]);
        let deleted = db.texts("SELECT CAST(count(*) AS TEXT) AS text FROM market_data \
            WHERE sequence = 10 AND deleted_at IS NOT NULL");
        assert_eq!(deleted, ["1"]);
        assert_eq!(db_read!(database, alert_rule::get(1)).unwrap().name.as_deref(), Some("renamed"));
        let name = db.texts("SELECT name AS text FROM instruments WHERE id = 20");
        assert_eq!(name, ["renamed"]);
    }

    fn numbers_that_are_taken_here_are_others_and_references_follow(db: &TestDatabase) {
        let old = OldFile::new("reference", 100);
        let database = open(db);
        db.raw("INSERT INTO instruments (id, symbol, name, instrument_type, created_at, updated_at) \
            SELECT 20, 'MINE', 'Mine', 'equity', created_at, created_at FROM instruments WHERE id = 1; \
            INSERT INTO alert_rules (id, instrument_id, rule_type, condition, threshold, created_at, updated_at) \
            SELECT 1, 20, 'threshold', 'above', '5', created_at, created_at FROM instruments WHERE id = 1; \
            INSERT INTO saved_queries (id, name, symbols, created_at, updated_at) \
            SELECT 4, 'mine', '[]', created_at, created_at FROM instruments WHERE id = 1").unwrap();
        let report = adopt(&database, &plan(&old)).unwrap();
        assert!(report.agrees(), "{report:#?}");
        let here = |table: &str, old: i64| {
            let moved = report.moved.iter();
            moved.clone().find(|of| (of.table.as_str(), of.old) == (table, old)).unwrap().new
        };
        let rule = here("alert_rules", 1);
        assert_eq!(db_read!(database, alert_rule::get(rule)).unwrap().name.as_deref(), Some("high"));
        let bonds = here("instruments", 20);
        assert_eq!(db_read!(database, alert_rule::get(2)).unwrap().instrument_id, bonds);
        assert_eq!(here("instruments", 21), 1);
        assert_eq!(db_read!(database, saved_query::get(here("data_query", 4))).unwrap().name, "q4");
        let alerts = format!("SELECT CAST(count(*) AS TEXT) AS text FROM alert_logs WHERE rule_id = {rule}");
        assert_eq!(db.texts(&alerts), ["300"]);
        let moved: Vec<i64> = report.moved.iter().filter(|of| of.new != 1).map(|of| of.new).collect();
        assert_eq!(moved, [24, 11, 6], "behind all that the old file has");
        let again = adopt(&database, &plan(&old)).unwrap();
        assert!(again.agrees() && again.tables.iter().all(|table| table.brought == 0), "{again:#?}");
    }

    fn a_row_that_changes_on_its_way_is_seen(db: &TestDatabase) {
        let old = OldFile::new("reference", 100);
        let database = open(db);
        db.raw(if db.dir().is_some() {
            "CREATE TRIGGER spoil AFTER INSERT ON alert_logs WHEN NEW.sequence = 900 \
             BEGIN UPDATE alert_logs SET trigger_value = trigger_value + 0.25 WHERE id = NEW.id; END"
        } else {
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             NEW.trigger_value = NEW.trigger_value + CASE NEW.sequence WHEN 900 THEN 0.25 ELSE 0 END; \
             RETURN NEW; END $$; \
             CREATE TRIGGER spoil BEFORE INSERT ON alert_logs FOR EACH ROW EXECUTE FUNCTION spoil()"
        }).unwrap();
        let report = adopt(&database, &plan(&old)).unwrap();
        let differ: Vec<&str> = report.groups.iter().filter(|of| !of.agrees).map(|of| of.kind.as_str()).collect();
        assert_eq!((report.agrees(), differ), (false, vec!["alerts"]));
    }

    fn what_is_left_out_is_named(db: &TestDatabase) {
        let old = OldFile::new("phase1", 50);
        old.run("CREATE TABLE watchlists (id INTEGER PRIMARY KEY, name TEXT); \
            CREATE TABLE market_data_archive (id INTEGER PRIMARY KEY); \
            INSERT INTO instruments (id, symbol, name, type, status, last_tick, last_price, created_at, updated_at) VALUES \
            (30, 'ZF', 'Five', 'future', 'active', NULL, 108.5, '2025-08-29 00:00:00', '2025-08-29 00:00:00'), \
            (31, 'ZT', 'Two', 'future', 'active', '2199-01-01 00:00:00', 103.5, '2025-08-29 00:00:00', '2025-08-29 00:00:00')");
        let report = adopt(&open(db), &plan(&old)).unwrap();
        assert_eq!(report.tables_left_out, ["market_data_archive", "watchlists"]);
        assert_eq!(report.future_last_ticks, ["ZT (2199-01-01T00:00:00.000000Z)"]);
        let shown = db.texts("SELECT symbol || ' ' || last_price || ' ' || coalesce(last_tick || '', '-') AS text \
            FROM instruments JOIN instrument_state ON instrument_id = id WHERE symbol IN ('ZF', 'ZT') ORDER BY symbol");
        assert_eq!(shown, ["ZF 108.5 -", "ZT 103.5 -"]);
    }

    fn a_source_of_somebody_else_is_not_taken(db: &TestDatabase) {
        let old = OldFile::new("first", 10);
        let mine = Adopt { source: "tickbase".to_owned(), ..plan(&old) };
        let error = adopt(&open(db), &mine).unwrap_err().to_string();
        assert!(error.contains("\"tickbase\" is there and is not of an adoption; name another one with --source"), "{error}");
    }

    fn two_files_come_side_by_side_under_sources_of_their_own(db: &TestDatabase) {
        let database = open(db);
        for source in ["here", "there"] {
            let old = OldFile::new("last", 50);
            let report = adopt(&database, &Adopt { source: source.to_owned(), ..plan(&old) }).unwrap();
            assert!(report.agrees(), "{report:#?}");
        }
        let ticks = db.texts("SELECT CAST(count(*) AS TEXT) AS text FROM market_data");
        assert_eq!(ticks, ["500"]);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_that_its_program_is_writing_is_read_as_of_one_moment_and_left_alone() {
    use diesel::connection::SimpleConnection;
    let db = TestDatabase::sqlite();
    let old = OldFile::new("last", 500);
    let mut writer = old.connect();
    // The rows are in the log beside the file; another transaction is not committed.
    writer
        .batch_execute(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
             INSERT INTO market_data (timestamp, instrument_id, price, volume) \
             VALUES ('2025-09-03 00:00:00.000000', 1, 1700, 3); BEGIN IMMEDIATE; \
             INSERT INTO market_data (timestamp, instrument_id, price, volume) \
             VALUES ('2025-09-03 00:00:01.000000', 1, 1700, 3)",
        )
        .unwrap();
    let log = old.path().with_extension("db-wal");
    let before = (old.bytes(), std::fs::read(&log).unwrap());
    let report = adopt(&open(&db), &plan(&old)).unwrap();
    assert!(report.agrees());
    assert_eq!(figures(&report, "market_data")[1], 501);
    assert!((old.bytes(), std::fs::read(&log).unwrap()) == before);
    writer.batch_execute("COMMIT").unwrap();
}

#[cfg(feature = "sqlite")]
#[test]
fn what_is_no_file_of_tradeassist_is_refused_with_the_reason() {
    let db = TestDatabase::sqlite();
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.db");
    std::fs::write(
        &text,
        "no database at all, but long enough to be looked at as one",
    )
    .unwrap();
    let empty = dir.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    let other = OldFile::new("phase1", 10);
    other.run("CREATE TABLE market_data_2025_07 (id INTEGER PRIMARY KEY, note TEXT)");
    let database = open(&db);
    for (file, reason) in [
        (
            other.path(),
            "its table market_data_2025_07 has no column instrument_id",
        ),
        (dir.path().join("absent.db"), "there is no such file"),
        (text, "file is not a database"),
        (empty, "it has no table instruments as TradeAssist makes it"),
        (db.url().into(), "it is a database of tickbase already"),
    ] {
        let error = adopt(&database, &Adopt::new(file)).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("; "), "{error}");
    }
    assert!(!dir.path().join("absent.db").exists());
}
