//! Taking a migration back deletes rows only when that is asked for, and says before what would go.

use tickbase::Error;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

use crate::schema::dump::dump;
use crate::support::{TestDatabase, on_both};

fn open(db: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap()
}

/// What the newest migration would delete.
fn losses(db: &TestDatabase, database: &Database) -> String {
    let before = dump(db);
    match database.migrate_revert_keeping_rows() {
        Err(Error::WouldDelete { losses, .. }) => {
            assert_eq!(dump(db), before, "it was not to change anything");
            losses
        }
        other => panic!("{other:?}"),
    }
}

/// Until the newest migration is the one of this name.
fn go_back_to(database: &Database, name: &str) {
    let newest = || {
        let all = database.migration_status().unwrap();
        let applied = all.into_iter().rfind(|it| it.applied_at.is_some());
        applied.unwrap().name
    };
    while newest() != name {
        database.migrate_revert().unwrap();
    }
}

on_both! {
    fn what_would_be_deleted_is_said_first(db: &TestDatabase) {
        let database = open(db);
        db.raw(
            "INSERT INTO bar_series (instrument_id, frequency, price, built_from, built_to, updated_at) \
             SELECT 1, '1min', p, created_at, created_at, created_at \
             FROM instruments, (SELECT 'last' AS p UNION ALL SELECT 'bid') AS prices WHERE id = 1",
        )
        .unwrap();
        go_back_to(&database, "bar_series_price");
        // The series of bids has no place in the table of before, that of trades has.
        assert_eq!(
            losses(db, &database),
            "1 row of bar_series, price in 2 rows of bar_series, 3 rows of data_sources"
        );
        go_back_to(&database, "calendars");
        assert_eq!(losses(db, &database), "calendar in 7 rows of instruments");
        go_back_to(&database, "reference_tables");
        assert_eq!(losses(db, &database), "1 row of data_sources, 12 rows of instruments");
        database.migrate_revert().unwrap();
        assert_eq!(database.migrate_revert_keeping_rows().unwrap(), None);
    }

    fn a_migration_without_rows_is_taken_back(db: &TestDatabase) {
        let database = open(db);
        go_back_to(&database, "alert_deliveries");
        let taken = database.migrate_revert_keeping_rows().unwrap();
        assert!(taken.unwrap().ends_with("_alert_deliveries"));
        // Tables of others are none of its business.
        db.raw("CREATE TABLE others (n BIGINT); INSERT INTO others VALUES (1)").unwrap();
        go_back_to(&database, "alerts");
        let taken = database.migrate_revert_keeping_rows().unwrap();
        assert!(taken.unwrap().ends_with("_alerts"));
    }
    #[cfg(feature = "archive")]
    fn a_database_with_archived_ticks_is_not_taken_back(db: &TestDatabase) {
        use tickbase::domain::ArchivePeriod;
        use tickbase::repository::archive::{self, Archiver};
        use tickbase::repository::market_data::MarketDataRepository;
        let database = open(db);
        db.raw(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price) \
             SELECT 1, created_at, 1, 0, 1.5 FROM instruments WHERE id = 1",
        )
        .unwrap();
        let ticks = MarketDataRepository::new(&database).latest(&[1]).unwrap();
        let period = ArchivePeriod::Day.bounds(ticks[0].timestamp);
        Archiver::default().archive_period(&database, 1, period).unwrap();
        for name in ["_delete_guard", "_partitions", "_retention"] {
            let taken = database.migrate_revert().unwrap();
            assert!(taken.unwrap().ends_with(name));
        }
        let refused = database.migrate_revert().unwrap_err().chain();
        assert!(refused.contains("ticks are archived; bring them back first"), "{refused}");
        let segments = database.read("test.list", |conn| archive::list(conn, None)).unwrap();
        assert_eq!(Archiver::default().restore_period(&database, &segments[0]).unwrap(), 1);
        let taken = database.migrate_revert().unwrap();
        assert!(taken.unwrap().ends_with("_archive"));
    }
}
