//! Each query by its SQL and its behaviour on both backends.

use super::*;
use crate::domain::Frequency;
use crate::repository::test_rows::{at, gone_at, tail};
use crate::test_support::on_both;

fn es() -> NewSavedQuery {
    NewSavedQuery {
        description: Some(String::new()),
        filters: Some(r#"{"max_records":10}"#.to_owned()),
        start_date: Some(at(-5)),
        end_date: Some(at(5)),
        is_favorite: true,
        ..NewSavedQuery::new("q1", &["ES", "NQ"]).unwrap()
    }
}

#[test]
fn queries_name_their_rows() {
    insta::assert_snapshot!(tail(&list_query(2)), @"FROM saved_queries WHERE (saved_queries.deleted_at IS NULL) ORDER BY saved_queries.created_at DESC, saved_queries.id DESC LIMIT $1");
    insta::assert_snapshot!(tail(&by_id_query(1)), @"FROM saved_queries WHERE ((saved_queries.deleted_at IS NULL) AND (saved_queries.id = $1))");
}

#[test]
fn a_saved_query_is_read_as_it_was_written() {
    on_both(|conn| {
        let stored = insert(conn, &es(), at(7)).unwrap();
        assert_eq!(get(conn, stored.id).unwrap(), stored);
        assert_eq!(
            (stored.name.as_str(), stored.symbols.as_str()),
            ("q1", r#"["ES","NQ"]"#)
        );
        assert_eq!(stored.description.as_deref(), Some(""));
        assert_eq!(stored.filters.as_deref(), Some(r#"{"max_records":10}"#));
        assert_eq!(stored.frequency, Frequency::OneDay);
        assert_eq!(
            (stored.start_date, stored.end_date),
            (Some(at(-5)), Some(at(5)))
        );
        assert!(stored.is_favorite);
        assert_eq!((stored.execution_count, stored.last_executed), (0, None));
        assert_eq!((stored.created_at, stored.updated_at), (at(7), at(7)));
        let same_name = insert(conn, &es(), at(8)).unwrap();
        assert_ne!(same_name.id, stored.id);
        assert_eq!(list(conn).unwrap(), [same_name, stored]);
    });
}

#[test]
fn executions_are_counted_and_change_nothing_else() {
    on_both(|conn| {
        let stored = insert(conn, &es(), at(1)).unwrap();
        mark_executed(conn, stored.id, at(2)).unwrap();
        let twice = mark_executed(conn, stored.id, at(3)).unwrap();
        let mut expected = stored.clone();
        expected.execution_count = 2;
        expected.last_executed = Some(at(3));
        assert_eq!(twice, expected);
        assert_eq!(get(conn, stored.id).unwrap(), expected);
        let error = mark_executed(conn, 99, at(4)).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    });
}

#[test]
fn a_deleted_query_is_not_read_or_executed_until_it_is_restored() {
    on_both(|conn| {
        let id = insert(conn, &es(), at(1)).unwrap().id;
        let other = insert(conn, &es(), at(1)).unwrap().id;
        assert_eq!(
            soft_delete(conn, &[id, 99], &mut gone_at(at(2))).unwrap(),
            1
        );
        assert_eq!(soft_delete(conn, &[id], &mut gone_at(at(3))).unwrap(), 0);
        for error in [get(conn, id), mark_executed(conn, id, at(4))] {
            assert!(matches!(error, Err(Error::NotFound { .. })), "{error:?}");
        }
        let listed = list(conn).unwrap();
        assert_eq!(
            listed.iter().map(|query| query.id).collect::<Vec<_>>(),
            [other]
        );
        assert_eq!(restore(conn, &[id, other]).unwrap(), 1);
        assert_eq!(get(conn, id).unwrap().execution_count, 0);
    });
}

#[test]
fn what_no_reader_could_use_is_refused_by_its_field() {
    type Change = fn(&mut NewSavedQuery);
    let wrong: [(&str, Change); 7] = [
        ("name", |query| query.name = " ".to_owned()),
        ("name", |query| query.name = "x".repeat(101)),
        ("description", |query| {
            query.description = Some("x".repeat(501))
        }),
        ("symbols", |query| query.symbols = "ES".to_owned()),
        ("symbols", |query| query.symbols = "[1]".to_owned()),
        ("filters", |query| query.filters = Some("[]".to_owned())),
        ("end_date", |query| query.end_date = Some(at(-6))),
    ];
    on_both(|conn| {
        for (field, change) in wrong {
            let mut query = es();
            change(&mut query);
            match insert(conn, &query, at(1)).unwrap_err() {
                Error::Invalid { name, .. } => assert_eq!(name, field),
                other => panic!("{other:?}"),
            }
        }
        let mut longest = es();
        longest.name = "é".repeat(100);
        longest.description = Some("é".repeat(500));
        insert(conn, &longest, at(1)).unwrap();
        assert_eq!(list(conn).unwrap().len(), 1);
    });
}
