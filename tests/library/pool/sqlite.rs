//! What is the pool's on SQLite alone: pragmas, replaced rows, files that are no database.

use super::*;

#[test]
fn every_connection_has_the_pragmas_of_its_role() {
    let db = TestDatabase::sqlite();
    for door in DOORS {
        let database = open(&db, |c| c.sqlite.reader_cache_kib = 4_321);
        for (pragma, wanted) in [
            ("query_only", "1"),
            ("foreign_keys", "1"),
            ("recursive_triggers", "1"),
            ("journal_mode", "wal"),
            ("synchronous", "1"),
            ("cache_size", "-4321"),
            ("temp_store", "2"),
            ("busy_timeout", "5000"),
        ] {
            let sql = format!("PRAGMA {pragma}");
            let got = read(door, &runtime(), &database, move |conn| text_of(conn, &sql));
            assert_eq!(got.unwrap(), wanted, "{pragma} {door:?}");
        }
        let states = database.sqlite_pragmas().unwrap();
        assert!(
            states.iter().all(tickbase::database::PragmaState::took),
            "{states:?}"
        );
        assert!(
            states
                .iter()
                .any(|s| s.role == "writer" && s.name == "journal_mode")
        );
    }
}

#[test]
fn an_active_row_cannot_be_lost_by_replacing_it() {
    let db = TestDatabase::sqlite();
    let database = open(&db, |_| {});
    let error = database
        .write("test.replace", |conn| {
            let sql = "INSERT OR REPLACE INTO instruments \
                       (id, symbol, name, instrument_type, created_at, updated_at) \
                       VALUES (1, 'ES', 'other', 'future', 0, 0)";
            Ok(on_backend!(conn, |c| c.batch_execute(sql))?)
        })
        .unwrap_err();
    assert!(
        error.chain().contains("an active row cannot be deleted"),
        "{}",
        error.chain()
    );
}

#[test]
fn files_that_are_no_database_are_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, vec![7_u8; 10_000]).unwrap();
    let nested = dir.path().join("a/b/c.db");
    for path in [garbage, nested, dir.path().to_owned()] {
        let config = DatabaseConfig::new(path.to_str().unwrap()).unwrap();
        let error = Database::open(config).unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error}");
        assert!(error.to_string().contains("; "), "{error}");
    }
}
