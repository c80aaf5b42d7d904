//! Databases of earlier versions: what is in them is there after the migrations, digit by digit,
//! and goes back where nothing would be lost.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::{alert_rule, check};

use crate::schema::dump::{difference, dump};
use crate::support::{TestDatabase, db_read, db_write, on_both};

/// The version before bars kept doubles, and the one that they came with.
const BEFORE: &str = "20261124000006";
const DIGITS: &str = "20261128000007";

/// A database of the version [`BEFORE`].
fn loaded(db: &TestDatabase) -> TestDatabase {
    let backend = if is_sqlite(db) { "sqlite" } else { "postgres" };
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/databases")
        .join(format!("schema-{BEFORE}-{backend}.sql.gz"));
    let mut sql = String::new();
    let file = std::fs::File::open(path).unwrap();
    GzDecoder::new(file).read_to_string(&mut sql).unwrap();
    let old = db.empty_sibling();
    old.raw(&sql).unwrap();
    old
}

fn is_sqlite(db: &TestDatabase) -> bool {
    db.dir().is_some()
}

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// The version and what was applied last.
fn newest(database: &Database) -> String {
    let all = database.migration_status().unwrap();
    let mut applied = all.into_iter().filter(|it| it.applied_at.is_some());
    applied.next_back().unwrap().version
}

/// Goes back to the version before the digits, or says why not.
fn revert(database: &Database) -> Result<(), String> {
    while newest(database).as_str() >= DIGITS {
        database.migrate_revert().map_err(|error| error.chain())?;
    }
    Ok(())
}

/// Prices of bars by id, as numbers that are exact: before, decimals; after, doubles.
fn bars(db: &TestDatabase, scaled: bool) -> BTreeMap<i64, [f64; 4]> {
    let price = |name: &str| match (is_sqlite(db), scaled) {
        (true, true) => format!("{name}_price || 'e-8'"),
        (true, false) => format!("printf('%!.17g', {name}_price)"),
        (false, _) => format!("{name}_price::TEXT"),
    };
    let texts = ["open", "high", "low", "close"]
        .map(price)
        .join(" || ' ' || ");
    let sql = format!("SELECT id || ' ' || {texts} AS text FROM market_data_bars");
    let bar = |line: String| {
        let (id, prices) = line.split_once(' ').unwrap();
        let prices: Vec<f64> = prices.split(' ').map(|it| it.parse().unwrap()).collect();
        (id.parse().unwrap(), prices.try_into().unwrap())
    };
    db.texts(&sql).into_iter().map(bar).collect()
}

/// Everything else of a bar.
fn rest_of_bars(db: &TestDatabase) -> Vec<String> {
    let sql = "SELECT id || ' ' || instrument_id || ' ' || timestamp || ' ' || frequency || ' ' || \
        volume || ' ' || data_source_id || ' ' || coalesce(deleted_at || '', '-') || ' ' || \
        coalesce(turnover || '', '-') || ' ' || coalesce(tick_count || '', '-') || created_at \
        || ' ' || updated_at AS text FROM market_data_bars ORDER BY id";
    db.texts(sql)
}

fn counts(db: &TestDatabase) -> Vec<(&'static str, i64)> {
    let tables = [
        "instruments",
        "market_data",
        "market_data_bars",
        "alert_rules",
        "alert_logs",
        "alert_deliveries",
        "bar_series",
        "ingest_batches",
    ];
    let count = |table| {
        let sql = format!("SELECT count(*) || '' AS text FROM {table}");
        (table, db.texts(&sql)[0].parse().unwrap())
    };
    tables.into_iter().map(count).collect()
}

const COUNTS: [(&str, i64); 8] = [
    ("instruments", 16),
    ("market_data", 905),
    ("market_data_bars", 261),
    ("alert_rules", 5),
    ("alert_logs", 4),
    ("alert_deliveries", 8),
    ("bar_series", 3),
    ("ingest_batches", 1),
];

fn thresholds(db: &TestDatabase) -> Vec<String> {
    let sql = "SELECT id || ' ' || coalesce(threshold || '', '-') || ' ' || coalesce(expression, '-') \
        AS text FROM alert_rules ORDER BY id";
    db.texts(sql)
}

/// The instruments, with what stands in `instrument_state` by now.
fn instruments(db: &TestDatabase, tables: &str) -> Vec<String> {
    let sql = "SELECT id || ' ' || symbol || ' ' || price_decimals || ' ' || rules_version || ' ' || \
        ticks_version || ' ' || coalesce(bars_to || '', '-') || ' ' || coalesce(last_price || '', '-') \
        || ' ' || coalesce(deleted_at || '', '-') || updated_at AS text FROM";
    db.texts(&format!("{sql} {tables} ORDER BY id"))
}

/// The sums that the README of the dumps names, in units of 10^-8.
fn assert_sums(bars: &BTreeMap<i64, [f64; 4]>) {
    let mut sums = [0_i64; 4];
    for prices in bars.values() {
        for (sum, price) in sums.iter_mut().zip(prices) {
            *sum += (price * 1e8).round() as i64;
        }
    }
    let daily = [
        11_517_182_678_984,
        11_555_795_678_984,
        11_489_259_357_996,
        11_522_545_679_011,
    ];
    let minutes = [
        8_673_775_000_000,
        8_675_400_000_000,
        8_671_775_000_000,
        8_673_575_000_000,
    ];
    let of_vendor = [
        12_854_904_000,
        12_857_681_000,
        12_852_363_000,
        12_855_140_000_i64,
    ];
    let expected = [0, 1, 2, 3].map(|n: usize| daily[n] + minutes[n] + of_vendor[n]);
    assert_eq!(sums, expected);
}

on_both! {
    fn a_database_of_before_loses_nothing_and_works_on(db: &TestDatabase) {
        let old = loaded(db);
        let (before, rest) = (bars(&old, true), rest_of_bars(&old));
        let instruments_before = instruments(&old, "instruments");
        let database = open(&old);
        assert!(database.migrate().unwrap().is_empty(), "opening applies what is missing");
        assert_eq!(counts(&old), COUNTS);
        let after = bars(&old, false);
        let bits = |of: &BTreeMap<i64, [f64; 4]>| -> Vec<(i64, [u64; 4])> {
            of.iter().map(|(id, prices)| (*id, prices.map(f64::to_bits))).collect()
        };
        assert_eq!(bits(&after), bits(&before));
        assert_sums(&after);
        assert_eq!(rest_of_bars(&old), rest);
        let with_state = "instruments JOIN instrument_state ON instrument_id = id";
        assert_eq!(instruments(&old, with_state), instruments_before);
        let threshold = |id| db_read!(database, alert_rule::get(id)).unwrap().threshold.map(|it| it.to_string());
        let kept = [1, 2, 3, 4, 5].map(threshold);
        let kept = kept.map(|text| text.unwrap_or_default());
        assert_eq!(kept, ["1641.75", "0.1", "0.00000042", "1", ""]);
        assert!(thresholds(&old)[4].contains("1640.12345678"));
        let wrong = check::run(&database).unwrap();
        assert!(wrong.iter().all(|finding| finding.problem.is_none()), "{wrong:?}");
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("0.0000000042".parse().unwrap()),
            ..NewAlertRule::new(14, RuleType::Threshold)
        };
        assert_eq!(db_write!(database, |now| alert_rule::insert(&rule, now)).unwrap().id, 6, "no number is given again");
    }

    fn its_schema_is_that_of_a_new_database(db: &TestDatabase) {
        let old = loaded(db);
        drop(open(&old));
        let schema = |db: &TestDatabase| -> Vec<String> {
            // Statistics come and go, and a dump writes conditions with fewer brackets.
            let is_schema = |line: &String| {
                let apart = ["row of ", "sequence ", "table sqlite_stat"];
                !apart.iter().any(|start| line.starts_with(start))
            };
            let lines = dump(db).into_iter().filter(is_schema);
            lines.map(|line| line.replace(['(', ')'], "")).collect()
        };
        let other = difference(&schema(&old), &schema(db));
        assert!(other.is_empty(), "{other:#?}");
    }

    fn built_bars_that_had_lost_digits_are_stale(db: &TestDatabase) {
        let old = loaded(db);
        let stale = |symbol: &str| {
            let sql = format!("SELECT count(*) || '' AS text FROM stale_bars s JOIN instruments i \
                ON i.id = s.instrument_id WHERE i.symbol = '{symbol}'");
            old.texts(&sql)[0].parse::<i64>().unwrap()
        };
        let before = ["ES", "SMALL"].map(stale);
        drop(open(&old));
        let built = old.texts("SELECT count(*) || '' AS text FROM market_data_bars \
            WHERE instrument_id = 14 AND data_source_id = 2")[0].parse::<i64>().unwrap();
        let after = ["ES", "SMALL"].map(stale);
        assert!(built > before[1] && after[1] >= built, "{before:?} {after:?} {built}");
        assert_eq!(after[0], before[0], "quarters had lost nothing");
    }

    fn a_way_back_that_loses_digits_is_refused_and_one_that_does_not_is_open(db: &TestDatabase) {
        let old = loaded(db);
        let (bars_before, rest) = (bars(&old, true), rest_of_bars(&old));
        let (rules, instruments_before) = (thresholds(&old), instruments(&old, "instruments"));
        let database = open(&old);
        let refused = |change: &str, reason: &str, undo: &str| {
            old.raw(change).unwrap();
            let said = revert(&database).unwrap_err();
            assert!(said.contains(reason), "{change}: {said}");
            assert!(newest(&database).as_str() >= DIGITS, "nothing was undone");
            old.raw(undo).unwrap();
            database.migrate().unwrap();
        };
        let bar = |price: &str| {
            format!("UPDATE market_data_bars SET open_price = {price}, low_price = {price} WHERE id = 1")
        };
        let kept = bar("1.07102");
        let low = "UPDATE market_data_bars SET low_price = 1.07093 WHERE id = 1";
        let restored = format!("{kept}; {low}");
        refused(&bar("0.0000000042155"), "a price has more than 8 places", &restored);
        refused(&bar("-1e11"), "beyond 92233720368", &restored);
        let threshold = |of: &str| format!("UPDATE alert_rules SET threshold = {of} WHERE id = 3");
        refused(&threshold("'0.000000004'"), "a threshold has more than 8 places", &threshold("'0.00000042'"));
        refused(&threshold("'92233720369'"), "beyond 92233720368", &threshold("'0.00000042'"));
        let part = |of: &str| {
            format!("UPDATE alert_rules SET expression = '{{\"all\":[{{\"condition\":\"above\",\"threshold\":{of}}},\
                {{\"condition\":\"volume_above\",\"threshold\":\"5\"}}]}}' WHERE id = 5")
        };
        let whole = part("\"1640.12345678\"");
        refused(&part("\"0.123456789\""), "a threshold has more than 8 places", &whole);
        refused(&part("4.2e-9"), "a threshold has more than 8 places", &whole);
        let decimals = |of: &str| format!("UPDATE instruments SET price_decimals = {of} WHERE id = 16");
        refused(&decimals("NULL"), "one has no price_decimals", &decimals("8"));
        refused(&decimals("9"), "or more than 8", &decimals("8"));
        revert(&database).unwrap();
        assert_eq!(newest(&database), BEFORE);
        assert_eq!(counts(&old), COUNTS);
        assert_eq!(bars(&old, true), bars_before);
        assert_eq!(rest_of_bars(&old), rest);
        assert_eq!(thresholds(&old), rules);
        assert_eq!(instruments(&old, "instruments"), instruments_before);
        database.migrate().unwrap();
        assert_sums(&bars(&old, false));
    }
}
