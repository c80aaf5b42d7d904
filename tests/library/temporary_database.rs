//! The temporary databases that the crate gives to the tests of its users: migrated, apart from
//! each other, gone at their end.

use diesel::prelude::*;
use tickbase::database::Database;
use tickbase::on_backend;
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::instruments;
use tickbase::testing::TemporaryDatabase;

fn count(db: &Database) -> i64 {
    db.read("test.count", |conn| {
        let query = instruments::table.active().count();
        Ok(on_backend!(conn, |c| query.get_result(c))?)
    })
    .unwrap()
}

fn rename(db: &Database, from: &'static str, to: &'static str) {
    let renamed = db.write("test.rename", move |conn| {
        let of = instruments::table
            .active()
            .filter(instruments::symbol.eq(from));
        let update = diesel::update(of).set(instruments::symbol.eq(to));
        Ok(on_backend!(conn, |c| update.execute(c))?)
    });
    assert_eq!(renamed.unwrap(), 1);
}

/// Two of them hold the seeds, and what is written to one is not in the other.
fn are_migrated_and_apart(one: &TemporaryDatabase, other: &TemporaryDatabase) {
    assert_ne!(one.url(), other.url());
    assert_eq!((count(one), count(other)), (12, 12));
    rename(one, "ES", "MES");
    rename(other, "ES", "MES");
    assert_eq!(one.database().backend(), one.backend());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_sqlite_file_is_migrated_and_gone_with_its_directory() {
    let db = TemporaryDatabase::sqlite().unwrap();
    are_migrated_and_apart(&db, &TemporaryDatabase::sqlite().unwrap());
    let directory = std::path::Path::new(db.url()).parent().unwrap().to_owned();
    assert!(directory.is_dir());
    let clone = db.database().clone();
    drop(db);
    assert!(!directory.exists());
    assert!(matches!(
        clone.migration_status(),
        Err(tickbase::Error::Closed)
    ));
}

#[cfg(feature = "postgres")]
#[test]
fn a_database_on_a_server_is_migrated_and_dropped() {
    let server = crate::support::server::shared_url();
    let db = TemporaryDatabase::postgres(server).unwrap();
    are_migrated_and_apart(&db, &TemporaryDatabase::postgres(server).unwrap());
    let url = db.url().to_owned();
    // A connection of the test's own does not keep it alive.
    let _open = PgConnection::establish(&url).unwrap();
    drop(db);
    let gone = PgConnection::establish(&url).err().unwrap().to_string();
    assert!(gone.contains("does not exist"), "{gone}");
}

#[cfg(feature = "postgres")]
#[test]
fn a_user_who_may_not_create_databases_is_told_so() {
    let server = crate::support::server::shared_url();
    let place = TemporaryDatabase::postgres(server).unwrap();
    let role = format!("tickbase_nobody_{}", std::process::id());
    let admin = |sql: &str| {
        diesel::sql_query(sql)
            .execute(&mut PgConnection::establish(place.url()).unwrap())
            .unwrap();
    };
    admin(&format!("CREATE ROLE {role} LOGIN"));
    let url = place.url().replacen("postgres@", &format!("{role}@"), 1);
    let refused = TemporaryDatabase::postgres(&url).err().unwrap();
    admin(&format!("DROP ROLE {role}"));
    assert!(
        refused
            .chain()
            .contains("permission denied to create database"),
        "{refused:?}"
    );
    assert!(
        refused.chain().contains("testing.create_database"),
        "{refused:?}"
    );
}
