//! The migration folders of both backends: the same versions, each with its way back, and the
//! same as the binary carries.

use std::path::{Path, PathBuf};

use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

use crate::schema::dump::{difference, dump};
use crate::support::{TestDatabase, on_both};

/// The folders of a backend's migrations, in order.
fn folders(backend: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(backend);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

fn names(backend: &str) -> Vec<String> {
    let name = |folder: PathBuf| folder.file_name().unwrap().to_str().unwrap().to_owned();
    folders(backend).into_iter().map(name).collect()
}

/// `2026-11-23-000001_tables` as version and name: `20261123000001`, `tables`.
fn version_and_name(folder: &str) -> (String, String) {
    let (version, name) = folder
        .split_once('_')
        .expect("a folder is named <version>_<name>");
    (version.replace('-', ""), name.to_owned())
}

fn of(db: &TestDatabase) -> &'static str {
    if db.dir().is_some() {
        "sqlite"
    } else {
        "postgres"
    }
}

#[test]
fn both_backends_have_the_same_migrations_each_with_its_way_back() {
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(names("sqlite").len() >= 3);
    for folder in [folders("sqlite"), folders("postgres")].concat() {
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|f| f.unwrap().file_name())
            .collect();
        files.sort();
        assert_eq!(files, ["down.sql", "up.sql"], "{}", folder.display());
    }
}

on_both! {
    fn the_binary_carries_the_migrations_of_the_folders(db: &TestDatabase) {
        let expected: Vec<_> = names(of(db)).iter().map(|n| version_and_name(n)).collect();
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let status = database.migration_status().unwrap();
        assert!(status.iter().all(|m| m.applied_at.is_some()), "{status:?}");
        let embedded: Vec<_> = status.into_iter().map(|m| (m.version, m.name)).collect();
        assert_eq!(embedded, expected);
    }

    fn each_migration_writes_its_own_version(db: &TestDatabase) {
        let written = db.texts(
            "SELECT version || '_' || name AS text FROM tickbase_schema_migrations ORDER BY version",
        );
        let folders = names(of(db));
        let expected: Vec<_> = folders.iter().map(|n| version_and_name(n)).collect();
        let expected: Vec<_> = expected.iter().map(|(v, n)| format!("{v}_{n}")).collect();
        assert_eq!(written, expected);
    }

    fn what_a_migration_does_its_way_back_undoes(db: &TestDatabase) {
        let empty = db.empty_sibling();
        for folder in folders(of(db)) {
            let run = |file: &str| {
                let sql = std::fs::read_to_string(folder.join(file)).unwrap();
                empty.raw(&sql).unwrap_or_else(|error| panic!("{folder:?} {file}: {error}"));
            };
            let before = dump(&empty);
            run("up.sql");
            let after = dump(&empty);
            assert_ne!(before, after, "{folder:?} changes nothing that the dump shows");
            run("down.sql");
            let left = difference(&dump(&empty), &before);
            assert!(left.is_empty(), "{folder:?} is not undone: {left:#?}");
            run("up.sql");
            assert_eq!(without_times(dump(&empty)), without_times(after), "{folder:?} a second time");
        }
        assert_eq!(without_rows(dump(&empty)), without_rows(dump(db)));
    }

    fn the_dump_shows_what_a_forgetful_way_back_leaves(db: &TestDatabase) {
        let before = dump(db);
        for change in [
            "CREATE TABLE left_over (n BIGINT)",
            "CREATE INDEX left_over_index ON alert_rules (name)",
            "INSERT INTO tickbase_schema_migrations (version, name) VALUES ('1', 'left_over')",
        ] {
            let shown = dump(db);
            db.raw(change).unwrap();
            assert_ne!(dump(db), shown, "{change}");
        }
        assert!(dump(db).len() > before.len());
    }
}

fn without_rows(dump: Vec<String>) -> Vec<String> {
    dump.into_iter()
        .filter(|line| !line.starts_with("row of "))
        .collect()
}

/// A row that is stored again has a later time.
fn without_times(dump: Vec<String>) -> Vec<String> {
    let rows = dump
        .iter()
        .filter(|line| line.starts_with("row of "))
        .count();
    let mut rest = without_rows(dump);
    rest.push(format!("{rows} rows"));
    rest
}
