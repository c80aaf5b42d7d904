//! What docs/operations.md says of a server that runs, where no other test is about it: a database
//! that is away, an upgrade beside it, a token that is rotated by its file.

use crate::serve::tokens::{NOTHING, Operator, READ_AGAIN, READS, allowed, hang_up};
use crate::support::on_both;
use crate::support::process::{self, Serving};

const TICK: &str = r#"[{"symbol":"ES","timestamp":"2013-09-03T10:23:00Z","price":1640}]"#;

#[cfg(feature = "postgres")]
#[test]
fn a_database_that_is_away_restarts_nothing_and_health_says_so() {
    use crate::support::{TestDatabase, eventually, server::Server};

    let mut server = Server::start();
    let db = TestDatabase::postgres_empty_on(&server);
    let serving = Serving::start(&db, &[], &[]);
    server.crash();
    eventually("health is bad", || serving.get("/api/health").0 == 503);
    // The server answers each request itself, and says that it may be tried again.
    assert_eq!(serving.post("/api/market-data", TICK).0, 503);
    assert_eq!(
        (serving.get("/livez").0, serving.get("/readyz").0),
        (200, 200)
    );
    server.start_again();
    eventually("health is good", || serving.get("/api/health").0 == 200);
    assert_eq!(serving.post("/api/market-data", TICK).0, 200);
    assert_eq!(serving.stop().code, Some(0));
}

on_both! {
    fn an_old_process_goes_on_beside_a_newer_schema_and_does_not_start_again(db: &TestDatabase) {
        let serving = Serving::start(db, &[], &[]);
        db.raw("INSERT INTO tickbase_schema_migrations (version, name) VALUES ('20991231000000', 'later')").unwrap();
        assert_eq!(serving.post("/api/market-data", TICK).0, 200);
        assert_eq!(serving.get("/api/market-data/1").0, 200);
        let refused = process::command(db, &["--bind", "127.0.0.1:0"]).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("20991231000000") && said.contains("use a newer tickbase"), "{said}");
        assert_eq!(serving.stop().code, Some(0));
    }

    fn without_leave_to_migrate_a_server_names_the_command(db: &TestDatabase) {
        let empty = db.empty_sibling();
        let mut command = process::command(&empty, &["--bind", "127.0.0.1:0"]);
        let refused = command.env("TICKBASE_MIGRATE", "false").output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("run `tickbase migrate run`"), "{said}");
    }

    fn a_token_is_rotated_by_its_file_or_by_a_second_one(db: &TestDatabase) {
        let (old, new) = ("the-old-token-of-grafana", "the-new-token-of-grafana");
        let operator = Operator::new();
        operator.write_settings("another-token-0123456789");
        operator.put("grafana.read", old);
        let serving = operator.serve(db, "info");
        operator.put("grafana-2.read", new);
        hang_up(&serving, READ_AGAIN);
        assert_eq!((allowed(&serving, old), allowed(&serving, new)), (READS, READS));
        operator.remove("grafana.read");
        hang_up(&serving, READ_AGAIN);
        assert_eq!((allowed(&serving, old), allowed(&serving, new)), (NOTHING, READS));
        operator.put("grafana-2.read", old);
        hang_up(&serving, READ_AGAIN);
        assert_eq!((allowed(&serving, old), allowed(&serving, new)), (READS, NOTHING));
        assert_eq!(serving.stop().code, Some(0));
    }
}
