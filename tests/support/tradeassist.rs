//! Files as TradeAssist leaves them: one of its schemas, and rows of every kind, wrong ones too.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// The schemas, by the names of their files.
pub const SCHEMAS: [&str; 4] = ["first", "reference", "phase1", "last"];

/// Rows beside the ticks that were asked for, which break a rule: by table.
pub const WRONG_TICKS: u64 = 14;

/// A SQLite file of TradeAssist in a directory of its own.
pub struct OldFile {
    dir: tempfile::TempDir,
    pub schema: &'static str,
}

#[derive(QueryableByName)]
struct OneText {
    #[diesel(sql_type = Text)]
    text: String,
}

impl OldFile {
    /// A file with so many ticks that break no rule, those of a month's table left out.
    pub fn new(schema: &'static str, ticks: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let old = Self { dir, schema };
        let tables = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tradeassist")
            .join(format!("{schema}.sql"));
        old.run(&std::fs::read_to_string(tables).unwrap());
        old.run(INSTRUMENTS);
        old.run(&ticks_sql(ticks));
        old.run(WRONG);
        old.run(RULES);
        if old.has_bars() {
            old.run(BARS);
        }
        if old.has_soft_delete() {
            old.run(DELETED);
        }
        if schema == "last" {
            old.run(PARTITIONS);
        }
        old
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("trade_assist.db")
    }

    /// Where its rejected rows may go.
    pub fn rejects(&self) -> PathBuf {
        self.dir.path().join("rejected.ndjson")
    }

    pub fn has_bars(&self) -> bool {
        self.schema != "first"
    }

    pub fn has_soft_delete(&self) -> bool {
        matches!(self.schema, "phase1" | "last")
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    /// A connection that checks no references: SQLite by itself does not, ours does.
    pub fn connect(&self) -> SqliteConnection {
        let mut conn = SqliteConnection::establish(self.path().to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA foreign_keys = OFF").unwrap();
        conn
    }

    /// The column `text` of a query.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let rows: Vec<OneText> = diesel::sql_query(sql).load(&mut self.connect()).unwrap();
        rows.into_iter().map(|row| row.text).collect()
    }

    /// The file, byte by byte.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }
}

/// The twelve that both sides have, one of them renamed and one switched off; one that only the old
/// side has; the first again in lower case; one whose symbol breaks a rule.
const INSTRUMENTS: &str = "
INSERT INTO instruments (symbol, name, type, status, created_at, updated_at)
SELECT column1, column2, column3, 'active', '2025-08-28 22:51:00', '2025-08-28 22:51:00' FROM (VALUES
    ('ES', 'The mini', 'future'), ('NQ', 'E-mini Nasdaq-100', 'future'),
    ('YM', 'E-mini Dow Jones', 'future'), ('CL', 'Crude Oil', 'future'), ('GC', 'Gold', 'future'),
    ('SPX', 'S&P 500 Index', 'index'), ('NDX', 'Nasdaq-100 Index', 'index'),
    ('RUT', 'Russell 2000 Index', 'index'), ('VIX', 'CBOE Volatility Index', 'internal'),
    ('TICK', 'NYSE TICK', 'internal'), ('ADD', 'NYSE Advancing-Declining Issues', 'internal'),
    ('TRIN', 'Arms Index (TRIN)', 'internal'));
UPDATE instruments SET status = 'inactive' WHERE symbol = 'TRIN';
INSERT INTO instruments (id, symbol, name, type, status, last_tick, last_price, created_at, updated_at) VALUES
    (20, 'ZB', 'Bonds', 'FUTURE', 'ACTIVE', NULL, NULL, '2025-08-29 00:00:00.123456', '2025-08-30 00:00:00'),
    (21, 'es', 'The mini again', 'future', 'active', NULL, NULL, '2025-08-29 00:00:00', '2025-08-29 00:00:00'),
    (22, 'A  B', 'Spaced', 'index', 'active', NULL, NULL, '2025-08-29 00:00:00', '2025-08-29 00:00:00'),
    (23, 'ZN', 'Notes', 'InstrumentType.FUTURE', 'active', '2025-07-01 10:00:00.000000', '110.5',
     '2025-08-29 00:00:00', '2025-08-29 00:00:00');
";

/// Trades and quotes: four of each moment, so that stamps repeat; some equal in every value; prices
/// as texts, numbers and whole numbers.
fn ticks_sql(ticks: u64) -> String {
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {ticks})
         INSERT INTO market_data (timestamp, instrument_id, price, volume, bid, ask, bid_size, ask_size,
             open_price, high_price, low_price)
         SELECT strftime('%Y-%m-%d %H:%M:%S', 1756000000 + i / 28, 'unixepoch')
                || printf('.%06d', (i / 14 % 2) * 500001),
             CASE i % 7 WHEN 0 THEN 20 WHEN 1 THEN 21 ELSE 1 + i % 5 END,
             CASE WHEN i % 9 = 0 THEN NULL WHEN i % 3 = 0 THEN printf('%.2f', 1650 + (i % 40) * 0.25)
                  ELSE 1650 + (i % 40) * 0.25 END,
             CASE WHEN i % 9 = 0 THEN NULL ELSE 1 + i % 3 END,
             CASE WHEN i % 9 = 0 THEN 1649.75 END, CASE WHEN i % 9 = 0 THEN 1650 END,
             CASE WHEN i % 9 = 0 THEN 10 END, CASE WHEN i % 9 = 0 THEN 12 END,
             CASE WHEN i % 100 = 1 THEN 1640.5 END, CASE WHEN i % 100 = 1 THEN 1660.5 END,
             CASE WHEN i % 100 = 1 THEN 1630.5 END
         FROM n;"
    )
}

/// Orphans, a symbol that was refused, a negative volume, no value at all, and no moment.
const WRONG: &str = "
INSERT INTO market_data (timestamp, instrument_id, price, volume)
SELECT '2025-08-24 00:00:00.000000', 99, 5.5, 1 FROM (VALUES (1), (2), (3), (4), (5));
INSERT INTO market_data (timestamp, instrument_id, price, volume)
SELECT '2025-08-24 00:00:00.000000', 22, 7.25, 1 FROM (VALUES (1), (2), (3));
INSERT INTO market_data (timestamp, instrument_id, price, volume) VALUES
    ('2025-08-24 00:00:00.000000', 1, 1650, -1), ('2025-08-24 00:00:00.000000', 2, 1650, -2.5),
    ('2025-08-24 00:00:00.000000', 1, NULL, NULL), ('2025-08-24 00:00:00.000000', 20, NULL, NULL),
    ('yesterday', 1, 1650, 1), ('2025-08-24 00:00:00.000000', 3, 'much', 1);
";

/// Rules that may come, by numbers with gaps; those that never fire; an orphan; and alerts.
const RULES: &str = "
INSERT INTO alert_rules (id, instrument_id, rule_type, condition, threshold, active, name, description,
    time_window_seconds, moving_average_period, cooldown_seconds, last_triggered, created_at, updated_at) VALUES
    (1, 1, 'threshold', 'above', 1650.25, 1, 'high', 'a text', NULL, NULL, 60, '2025-08-24 02:00:00.000000', '2025-08-28 23:00:00', '2025-08-29 23:00:00'),
    (2, 20, 'CROSSOVER', 'CROSSES_ABOVE', '0.1', 0, NULL, NULL, NULL, 20, 0, NULL, '2025-08-28 23:00:00', '2025-08-28 23:00:00'),
    (7, 21, 'rate_of_change', 'percent_change_up', 0.5, 1, NULL, NULL, 300, NULL, 60, NULL, '2025-08-28 23:00:00', '2025-08-28 23:00:00'),
    (8, 1, 'crossover', 'above', 1650, 1, 'never', NULL, NULL, 20, 60, NULL, '2025-08-28 23:00:00', '2025-08-28 23:00:00'),
    (9, 1, 'multi_condition', 'above', 1650, 1, NULL, NULL, NULL, NULL, 60, NULL, '2025-08-28 23:00:00', '2025-08-28 23:00:00'),
    (10, 99, 'threshold', 'above', 1650, 1, NULL, NULL, NULL, NULL, 60, NULL, '2025-08-28 23:00:00', '2025-08-28 23:00:00');
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299)
INSERT INTO alert_logs (timestamp, rule_id, instrument_id, trigger_value, threshold_value, fired_status,
    delivery_status, evaluation_time_ms, rule_condition, alert_message)
SELECT strftime('%Y-%m-%d %H:%M:%S', 1756000000 + i / 2, 'unixepoch') || '.000000',
    1, 1, 1650.5 + i * 0.25, 1650.25, 'fired', CASE i % 3 WHEN 0 THEN 'all_delivered' ELSE 'pending' END,
    CASE WHEN i % 4 = 0 THEN NULL ELSE i % 4 END, 'above', 'Alert: ES' FROM n;
INSERT INTO alert_logs (id, timestamp, rule_id, instrument_id, trigger_value, threshold_value,
    fired_status, delivery_status, rule_condition) VALUES
    (900, '2025-08-24 03:00:00.000000', 2, 20, 110.5, 0.1, 'SUPPRESSED', 'FAILED', 'CROSSES_ABOVE'),
    (901, '2025-08-24 03:00:00.000000', 77, 1, 1, 1, 'fired', 'pending', 'above'),
    (902, '2025-08-24 03:00:00.000000', 8, 1, 2, 1, 'fired', 'pending', 'above'),
    (903, '2025-08-24 03:00:00.000000', 1, 99, 3, 1, 'fired', 'pending', 'above');
";

/// Sources, bars of symbols with and without an instrument, and saved queries.
const BARS: &str = "
INSERT INTO data_source (id, name, provider_type, base_url, rate_limit_per_minute, is_active, configuration, created_at, updated_at) VALUES
    (1, 'Schwab', 'schwab_api', 'https://api.schwabapi.com', 120, 1, '{\"supports_realtime\": true}', '2025-08-30 00:00:00', '2025-08-30 00:00:00'),
    (2, 'Demo', 'demo', NULL, 60, 0, NULL, '2025-08-30 00:00:00', '2025-08-30 00:00:00');
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
INSERT INTO market_data_bar (symbol, timestamp, frequency, open_price, high_price, low_price, close_price,
    volume, open_interest, contract_month, data_source_id, is_adjusted, quality_score, created_at, updated_at)
SELECT s.column1, strftime('%Y-%m-%d 00:00:00.000000', 1700000000 + i * 86400, 'unixepoch'), f.column1,
    100.25 + i, 101.5 + i, '99.125', 100 + i, 1000 + i, i, 'DEC24', d.column1, 0, 100,
    '2025-08-30 00:00:00', '2025-08-30 00:00:00'
FROM n, (VALUES ('ES'), ('/NQ'), ('$SPX'), ('AAPL')) s, (VALUES ('1d'), ('1M')) f, (VALUES (1), (2)) d;
PRAGMA ignore_check_constraints = ON;
INSERT INTO market_data_bar (symbol, timestamp, frequency, open_price, high_price, low_price, close_price,
    volume, data_source_id, is_adjusted, created_at, updated_at) VALUES
    ('ES', '2025-01-01 00:00:00', '2h', 1, 1, 1, 1, 5, 1, 0, '2025-08-30', '2025-08-30'),
    ('ES', '2025-01-01 00:00:00', '1h', 1, 0.5, 1, 1, 5, 1, 0, '2025-08-30', '2025-08-30'),
    ('ES', '2025-01-01 00:00:00', '1h', 1, 1, 1, 1, 5, 9, 0, '2025-08-30', '2025-08-30'),
    ('aapl', '2023-11-15 00:00:00', '1d', 1, 1, 1, 1, 5, 1, 0, '2025-08-30', '2025-08-30'),
    ('A  B', '2025-01-01 00:00:00', '1h', 1, 1, 1, 1, 5, 1, 0, '2025-08-30', '2025-08-30');
PRAGMA ignore_check_constraints = OFF;
INSERT INTO data_query (id, name, description, symbols, frequency, filters, is_favorite, last_executed, execution_count, created_at, updated_at) VALUES
    (1, 'q1', '', '[\"ES\", \"NQ\"]', '1d', '{\"max_records\": 10}', 1, '2025-08-30 10:00:00.000000', 3, '2025-08-30 00:00:00', '2025-08-30 00:00:00'),
    (4, 'q4', NULL, '[\"SPX\"]', '1min', NULL, 0, NULL, 0, '2025-08-30 00:00:00', '2025-08-30 00:00:00'),
    (5, 'q5', NULL, 'ES', '1d', NULL, 0, NULL, 0, '2025-08-30 00:00:00', '2025-08-30 00:00:00');
";

/// Soft-deleted rows, of two moments.
const DELETED: &str = "
UPDATE market_data SET deleted_at = '2025-08-31 12:00:00.000000' WHERE id % 50 = 3;
UPDATE market_data SET deleted_at = '2025-09-01 12:00:00.250000' WHERE id % 50 = 4;
UPDATE alert_logs SET deleted_at = '2025-09-01 12:00:00.000000' WHERE id IN (5, 6);
";

/// Rows of a month and a quarter. Their numbers begin anew.
const PARTITIONS: &str = "
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
INSERT INTO market_data_2025_09 (timestamp, instrument_id, price, volume)
SELECT strftime('%Y-%m-%d %H:%M:%S', 1757000000 + i / 4, 'unixepoch') || '.000000', 1 + i % 2, 1700 + i, 2 FROM n;
INSERT INTO alert_logs_2025_q3 (timestamp, rule_id, instrument_id, trigger_value, threshold_value, rule_condition)
VALUES ('2025-09-02 00:00:00.000000', 1, 1, 1700, 1650.25, 'above'),
       ('2025-09-02 00:00:01.000000', 2, 20, 1701, 0.1, 'crosses_above');
";
