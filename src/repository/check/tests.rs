//! Checks against real databases that somebody has changed.

use super::*;
use crate::test_support::on_both;
use diesel::connection::SimpleConnection;

fn problems(conn: &mut BackendConnection<'_>) -> Vec<String> {
    let findings = findings(conn).unwrap();
    findings
        .into_iter()
        .filter(|f| f.problem.is_some())
        .map(|f| f.subject)
        .collect()
}

#[test]
fn a_migrated_database_has_no_problem() {
    on_both(|conn| assert_eq!(problems(conn), Vec::<String>::new()));
}

#[test]
fn a_missing_column_index_and_trigger_are_named() {
    on_both(|conn| {
        let drop_trigger = match conn.backend() {
            crate::database::Backend::Sqlite => "DROP TRIGGER alert_logs_refuse_active_delete",
            crate::database::Backend::Postgres => {
                "DROP TRIGGER alert_logs_refuse_active_delete ON alert_logs"
            }
        };
        for sql in [
            "DROP INDEX market_data_trash",
            "ALTER TABLE alert_rules DROP COLUMN description",
            drop_trigger,
        ] {
            crate::on_backend!(conn, |c| c.batch_execute(sql)).unwrap();
        }
        assert_eq!(
            problems(conn),
            ["columns of alert_rules", "indexes", "triggers"]
        );
    });
}

#[cfg(feature = "postgres")]
#[test]
fn ticks_that_came_in_while_the_triggers_were_off_are_found_on_postgres() {
    crate::test_support::on_postgres(|conn| {
        let sql = "ALTER TABLE market_data DISABLE TRIGGER market_data_refers_insert; \
            INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence) \
            VALUES (1, 'epoch', 1, 0), (77, 'epoch', 55, 0), (78, 'epoch', 1, 0), \
                   (78, 'epoch', 55, 1); \
            ALTER TABLE market_data ENABLE TRIGGER market_data_refers_insert";
        crate::on_backend!(conn, |c| c.batch_execute(sql)).unwrap();
        let found: Vec<String> = findings(conn)
            .unwrap()
            .into_iter()
            .filter_map(|finding| finding.problem)
            .collect();
        let wanted = "3 rows or constraints are unsound; add the instruments and data sources \
            that ticks name, and validate";
        assert_eq!(found, [wanted]);
    });
}

/// What somebody else has beside the tables, or took away from them, and what is found then.
#[cfg(feature = "postgres")]
fn found_on_postgres(sql: &str) -> Vec<Finding> {
    let found = std::cell::RefCell::new(Vec::new());
    crate::test_support::on_postgres(|conn| {
        crate::on_backend!(conn, |c| c.batch_execute(sql)).unwrap();
        *found.borrow_mut() = findings(conn).unwrap();
    });
    found
        .into_inner()
        .into_iter()
        .filter(|finding| finding.problem.is_some())
        .collect()
}

#[cfg(feature = "postgres")]
#[test]
fn what_is_wrong_with_the_tables_of_others_is_no_problem_on_postgres() {
    let found = found_on_postgres(
        "CREATE TABLE parents (id BIGINT PRIMARY KEY); CREATE TABLE children (id BIGINT); \
         ALTER TABLE children ADD FOREIGN KEY (id) REFERENCES parents NOT VALID; \
         CREATE SCHEMA others; CREATE TABLE others.market_data (id BIGINT); \
         ALTER TABLE others.market_data ADD FOREIGN KEY (id) REFERENCES parents NOT VALID",
    );
    assert_eq!(found, []);
}

#[cfg(feature = "postgres")]
#[test]
fn a_constraint_of_ours_that_was_never_validated_is_one_on_postgres() {
    let found = found_on_postgres(
        "ALTER TABLE alert_rules ADD CONSTRAINT late FOREIGN KEY (instrument_id) \
         REFERENCES instruments NOT VALID",
    );
    assert_eq!(found[0].subject, "foreign keys");
}

/// Another schema has what ours lacks.
#[cfg(feature = "postgres")]
#[test]
fn what_another_schema_has_does_not_make_up_for_ours_on_postgres() {
    let found = found_on_postgres(
        "DROP TRIGGER alert_logs_refuse_active_delete ON alert_logs; \
         ALTER TABLE alert_rules ENABLE REPLICA TRIGGER alert_rules_refuse_active_delete; \
         DROP INDEX market_data_trash; CREATE SCHEMA others; \
         CREATE TABLE others.alert_logs (deleted_at BIGINT); \
         CREATE TABLE others.market_data (deleted_at BIGINT); \
         CREATE INDEX market_data_trash ON others.market_data (deleted_at); \
         CREATE TRIGGER alert_logs_refuse_active_delete BEFORE DELETE ON others.alert_logs \
         FOR EACH ROW EXECUTE FUNCTION tickbase_refuse_active_delete()",
    );
    let problems = found.into_iter().map(|finding| finding.problem.unwrap());
    let remedy = "create them as the migrations do";
    assert_eq!(
        problems.collect::<Vec<_>>(),
        [
            format!("indexes missing: market_data_trash; {remedy}"),
            format!(
                "triggers missing: alert_rules_refuse_active_delete, \
                 alert_logs_refuse_active_delete; {remedy}"
            ),
        ]
    );
}

/// The tables need not be in the first schema of the search path, and an index of theirs may be
/// one that cannot be used.
#[cfg(feature = "postgres")]
#[test]
fn the_tables_are_found_where_statements_find_them_on_postgres() {
    let behind = "CREATE SCHEMA first; SET search_path = first, public";
    assert_eq!(found_on_postgres(behind), []);
    let invalid = "UPDATE pg_index SET indisvalid = false \
                   WHERE indexrelid = 'market_data_trash'::regclass";
    assert_eq!(found_on_postgres(invalid)[0].subject, "indexes");
}

#[cfg(feature = "postgres")]
#[test]
fn rights_that_were_taken_away_are_named_with_what_gives_them_back_on_postgres() {
    let user = format!("reader_{}", std::process::id());
    let as_user = |grants: &str| {
        found_on_postgres(&format!(
            "CREATE ROLE {user}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}; {grants} \
             SET ROLE {user}"
        ))
    };
    let drop_user = || {
        let admin = std::env::var("TICKBASE_TEST_POSTGRES_URL").unwrap();
        let mut conn = PgConnection::establish(&admin).unwrap();
        conn.batch_execute(&format!("DROP ROLE {user}")).unwrap();
    };
    for (taken, problem) in [
        ("".to_owned(), None),
        (
            format!("REVOKE INSERT, DELETE ON market_data FROM {user};"),
            Some("GRANT INSERT, DELETE ON TABLE market_data TO "),
        ),
        (
            format!("REVOKE SELECT ON instruments FROM {user};"),
            Some("GRANT SELECT ON TABLE instruments TO "),
        ),
        (
            format!("REVOKE USAGE ON SCHEMA public FROM PUBLIC, {user};"),
            Some("GRANT USAGE ON SCHEMA public TO "),
        ),
    ] {
        let found = as_user(&taken);
        drop_user();
        match problem {
            None => assert_eq!(found, []),
            Some(grant) => {
                assert_eq!(found.len(), 1, "{found:?}");
                let told = found[0].problem.clone().unwrap();
                assert_eq!(found[0].subject, "rights");
                assert!(told.contains(&format!("{grant}{user}")), "{told}");
            }
        }
    }
}
