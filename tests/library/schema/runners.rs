//! Two runners of the same migrations: the embedded one, and Diesel's, which is also that of the
//! diesel CLI. Each goes on where the other has stopped, or says what to do.

use std::error::Error;
use std::path::Path;

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

use crate::schema::dump::dump;
use crate::support::{TestDatabase, on_both};

/// What Diesel's runner is told to do.
#[derive(Debug, Clone, Copy)]
enum Order {
    Run,
    RevertTheLast,
    ListPending,
}

type Answer = Result<Vec<String>, Box<dyn Error + Send + Sync>>;

/// Diesel's runner, with tickbase's migrations; answers with the versions that it means.
fn diesel(db: &TestDatabase, order: Order) -> Answer {
    match db.dir() {
        Some(_) => on::<_, _>(
            &mut SqliteConnection::establish(db.url()).unwrap(),
            "migrations/sqlite",
            order,
        ),
        #[cfg(feature = "postgres")]
        None => on::<_, _>(
            &mut PgConnection::establish(db.url()).unwrap(),
            "migrations/postgres",
            order,
        ),
        #[cfg(not(feature = "postgres"))]
        None => unreachable!("it is a file"),
    }
}

fn on<C, DB>(conn: &mut C, folder: &str, order: Order) -> Answer
where
    C: MigrationHarness<DB>,
    DB: Backend,
{
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let source = FileBasedMigrations::from_path(folder)?;
    let text = |version: &dyn ToString| version.to_string();
    Ok(match order {
        Order::Run => conn
            .run_pending_migrations(source)?
            .iter()
            .map(|v| text(v))
            .collect(),
        Order::RevertTheLast => vec![text(&conn.revert_last_migration(source)?)],
        Order::ListPending => {
            let pending = conn.pending_migrations(source)?;
            pending
                .iter()
                .map(|it| text(&it.name().version()))
                .collect()
        }
    })
}

fn open(db: &TestDatabase) -> Database {
    let config = DatabaseConfig::new(db.url()).unwrap();
    Database::open(config.with(|config| config.migrate = false)).unwrap()
}

fn versions(database: &Database) -> Vec<String> {
    let all = database.migration_status().unwrap();
    all.into_iter().map(|migration| migration.version).collect()
}

/// Back and forth, each runner in its turn.
fn take_turns(db: &TestDatabase) {
    let database = open(db);
    let (all, whole) = (versions(&database), dump(db).len());
    let last = all.last().unwrap();
    let ours = |name: Option<String>| name.map(|name| name.starts_with(last));
    assert!(database.migrate().unwrap().is_empty());
    assert!(diesel(db, Order::Run).unwrap().is_empty());

    assert_eq!(ours(database.migrate_revert().unwrap()), Some(true));
    assert_eq!(diesel(db, Order::ListPending).unwrap(), [last.as_str()]);
    assert_eq!(diesel(db, Order::Run).unwrap(), [last.as_str()]);
    assert!(database.migrate().unwrap().is_empty());

    assert_eq!(diesel(db, Order::RevertTheLast).unwrap(), [last.as_str()]);
    assert_eq!(ours(database.migrate().unwrap().pop()), Some(true));
    assert!(diesel(db, Order::ListPending).unwrap().is_empty());
    assert!(diesel(db, Order::Run).unwrap().is_empty());
    assert_eq!(dump(db).len(), whole);
}

on_both! {
    fn the_embedded_runner_goes_on_after_diesels(db: &TestDatabase) {
        let db = db.empty_sibling();
        let applied = diesel(&db, Order::Run).unwrap();
        assert_eq!(versions(&open(&db)), applied);
        take_turns(&db);
    }

    fn diesels_runner_is_told_what_to_do_after_the_embedded_one(db: &TestDatabase) {
        let db = db.empty_sibling();
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let before = dump(&db);
        let refused = diesel(&db, Order::Run).unwrap_err().to_string();
        assert!(refused.contains("tickbase migrate record-for-diesel"), "{refused}");
        let all = versions(&database).len();
        assert_eq!(database.record_migrations_for_diesel().unwrap(), all);
        assert_eq!(database.record_migrations_for_diesel().unwrap(), 0);
        // But for the table of Diesel's, nothing has changed.
        let after = dump(&db).into_iter().filter(|line| !line.contains("__diesel"));
        assert_eq!(after.collect::<Vec<_>>(), before);
        database.close();
        take_turns(&db);
    }

    fn the_embedded_runner_leaves_a_users_list_alone(db: &TestDatabase) {
        let db = db.empty_sibling();
        db.raw(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('20200101000000')",
        )
        .unwrap();
        let listed = || db.texts("SELECT version AS text FROM __diesel_schema_migrations");
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        assert_eq!(listed(), ["20200101000000"]);
        database.migrate_revert().unwrap();
        database.migrate().unwrap();
        assert_eq!(listed(), ["20200101000000"]);
    }
}
