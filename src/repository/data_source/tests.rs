//! Each query by its SQL, its plan and its behaviour on both backends.

use super::*;
use crate::domain::ProviderType;
use crate::repository::test_rows::{at, conflict, tail};
use crate::test_support::on_both;

fn vendor() -> NewDataSource {
    NewDataSource::new("vendor", ProviderType::Api)
}

#[test]
fn the_default_source_is_there_from_the_start() {
    on_both(|conn| {
        let sources = list(conn, false).unwrap();
        assert_eq!(sources.len(), 5);
        assert_eq!((sources[0].id, sources[0].name.as_str()), (1, "tickbase"));
        let built = sources[1..].iter().map(|source| source.name.as_str());
        let expected = [
            "tickbase-bars",
            "tickbase-bars-bid",
            "tickbase-bars-ask",
            "tickbase-bars-mid",
        ];
        assert_eq!(built.collect::<Vec<_>>(), expected);
        assert_eq!(get(conn, 1).unwrap(), sources[0]);
    });
}

#[test]
fn a_new_source_is_found_by_id_and_by_its_exact_name() {
    on_both(|conn| {
        let stored = insert(conn, &vendor(), at(7)).unwrap();
        assert_eq!((stored.created_at, stored.updated_at), (at(7), at(7)));
        assert_eq!(get(conn, stored.id).unwrap(), stored);
        assert_eq!(by_name(conn, "vendor").unwrap(), Some(stored));
        assert_eq!(by_name(conn, "Vendor").unwrap(), None);
        let error = get(conn, 99).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    });
}

#[test]
fn a_taken_name_is_a_conflict_that_names_its_source() {
    on_both(|conn| {
        let id = insert(conn, &vendor(), at(1)).unwrap().id;
        let text = conflict(insert(conn, &vendor(), at(2)));
        assert!(text.contains(&format!("data source {id}")), "{text}");
    });
}

#[test]
fn a_source_that_is_switched_off_leaves_the_list_of_those_in_use() {
    on_both(|conn| {
        let stored = insert(conn, &vendor(), at(1)).unwrap();
        let change = DataSourceChange {
            is_active: Some(false),
            base_url: Some(Some("https://example.com".to_owned())),
            ..DataSourceChange::default()
        };
        let changed = update(conn, stored.id, &change, at(2)).unwrap();
        let mut expected = stored.clone();
        expected.is_active = false;
        expected.base_url = Some("https://example.com".to_owned());
        expected.updated_at = at(2);
        assert_eq!(changed, expected);
        let ids = |rows: Vec<DataSource>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(list(conn, true).unwrap()), [1, 2, 3, 4, 5]);
        assert_eq!(ids(list(conn, false).unwrap()), [1, 2, 3, 4, 5, stored.id]);
        let cleared = DataSourceChange {
            base_url: Some(None),
            ..DataSourceChange::default()
        };
        let changed = update(conn, stored.id, &cleared, at(3)).unwrap();
        assert_eq!((changed.base_url, changed.is_active), (None, false));
        let same = update(conn, 1, &DataSourceChange::default(), at(4)).unwrap();
        assert_eq!(same.updated_at, at(4));
        let error = update(conn, 99, &cleared, at(4)).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    });
}

#[test]
fn a_source_that_breaks_a_rule_is_refused_by_the_name_of_the_field() {
    let refusal = |new: NewDataSource| new.check().unwrap_err().to_string();
    vendor().check().unwrap();
    for name in [String::new(), "  ".to_owned(), "x".repeat(101)] {
        let text = refusal(NewDataSource::new(name, ProviderType::File));
        assert!(text.starts_with("name: "), "{text}");
    }
    let mut new = vendor();
    new.rate_limit_per_minute = -1;
    assert!(refusal(new).starts_with("rate_limit_per_minute: -1"));
    let mut new = vendor();
    new.configuration = Some(r#"{"key":"secret" oops}"#.to_owned());
    let text = refusal(new);
    assert!(text.starts_with("configuration: line 1 "), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let change = DataSourceChange {
        configuration: Some(Some("{}".to_owned())),
        rate_limit_per_minute: Some(-2),
        ..DataSourceChange::default()
    };
    let text = change.check().unwrap_err().to_string();
    assert!(text.contains("-2"), "{text}");
    on_both(|conn| {
        let nameless = NewDataSource::new("", ProviderType::File);
        assert!(insert(conn, &nameless, at(1)).is_err());
        assert!(update(conn, 1, &change, at(1)).is_err());
    });
}

mod statements {
    use super::*;

    #[test]
    fn reads_are_by_name_and_in_order_of_id() {
        insta::assert_snapshot!(tail(&list_query(true)), @"FROM data_sources WHERE (data_sources.is_active = $1) ORDER BY data_sources.id ASC");
        insta::assert_snapshot!(tail(&list_query(false)), @"FROM data_sources WHERE 1 = 1 ORDER BY data_sources.id ASC");
        insta::assert_snapshot!(tail(&by_name_query("a")), @"FROM data_sources WHERE (data_sources.name = $1)");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_seeks_and_never_sorts() {
        use crate::repository::test_rows::assert_sqlite_plan as plan;
        use crate::test_support::on_sqlite;
        on_sqlite(|conn| {
            plan(conn, &list_query(true), "SCAN data_sources");
            plan(
                conn,
                &by_name_query("a"),
                "SEARCH data_sources USING INDEX sqlite_autoindex_data_sources_1 (name=?)",
            );
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_seeks_in_its_indexes() {
        use crate::repository::test_rows::assert_postgres_plan as plan;
        use crate::test_support::on_postgres;
        on_postgres(|conn| {
            plan(conn, &list_query(false), "data_sources_pkey");
            plan(conn, &by_name_query("a"), "data_sources_name_key");
        });
    }
}
