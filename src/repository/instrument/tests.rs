//! Each query by its SQL, its plan and its behaviour on both backends.

use diesel::prelude::*;

use super::delete::{active_query, deleted_query, holders_query, watching_query};
use super::read::{by_id_query, by_symbol_query, list_query};
use super::*;
use crate::database::BackendConnection;
use crate::domain::{InstrumentStatus, InstrumentType, Symbol};
use crate::models::{InstrumentChange, NewInstrument};
use crate::repository::alert_rule;
use crate::repository::test_rows::{above_100, at, bitcoin, conflict, gone_at, tail};
use crate::soft_delete::SoftDeletable;
use crate::tables::instruments;
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

fn symbols(conn: &mut BackendConnection<'_>, filter: InstrumentFilter) -> Vec<String> {
    let rows = list(conn, filter).unwrap();
    rows.iter().map(|row| row.symbol.to_string()).collect()
}

fn deleted_at(conn: &mut BackendConnection<'_>, id: i64) -> Option<Timestamp> {
    let query = instruments::table
        .with_deleted("the test looks at deletion itself")
        .filter(instruments::id.eq(id))
        .select(instruments::deleted_at);
    crate::on_backend!(conn, |c| query.first(c)).unwrap()
}

fn store_rule(conn: &mut BackendConnection<'_>, instrument_id: i64, active: bool) -> i64 {
    let mut rule = above_100(instrument_id);
    rule.active = active;
    rule.name = Some("breakout".to_owned());
    alert_rule::insert(conn, &rule, at(1)).unwrap().id
}

#[test]
fn a_list_is_by_symbol_and_narrows_by_type_and_status() {
    on_both(|conn| {
        let filter = |instrument_type, status| InstrumentFilter {
            instrument_type,
            status,
        };
        let index = filter(Some(InstrumentType::Index), None);
        assert_eq!(symbols(conn, index), ["NDX", "RUT", "SPX"]);
        let all = symbols(conn, InstrumentFilter::default());
        assert_eq!(
            (all.len(), all[0].as_str(), all[11].as_str()),
            (12, "ADD", "YM")
        );
        let off = InstrumentChange {
            status: Some(InstrumentStatus::Inactive),
            ..InstrumentChange::default()
        };
        update(conn, 7, &off, at(1)).unwrap();
        let inactive = Some(InstrumentStatus::Inactive);
        assert_eq!(symbols(conn, filter(None, inactive)), ["NDX"]);
        let future = Some(InstrumentType::Future);
        assert!(symbols(conn, filter(future, inactive)).is_empty());
        soft_delete(conn, &[7], &mut gone_at(at(2))).unwrap();
        assert!(symbols(conn, filter(None, inactive)).is_empty());
    });
}

#[test]
fn an_instrument_is_found_by_id_and_symbol_until_it_is_deleted() {
    on_both(|conn| {
        assert_eq!(get(conn, 1).unwrap().symbol.as_str(), "ES");
        assert_eq!(by_symbol(conn, &symbol("nq")).unwrap().unwrap().id, 2);
        assert_eq!(by_symbol(conn, &symbol("NONE")).unwrap(), None);
        soft_delete(conn, &[1], &mut gone_at(at(2))).unwrap();
        assert_eq!(by_symbol(conn, &symbol("ES")).unwrap(), None);
        let error = get(conn, 1).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        assert!(error.to_string().starts_with("instrument 1 not found; "));
    });
}

#[test]
fn labels_of_all_are_those_of_deleted_instruments_too() {
    on_both(|conn| {
        soft_delete(conn, &[1], &mut gone_at(at(2))).unwrap();
        let found = |labels: Vec<InstrumentLabel>| {
            let mut symbols: Vec<_> = labels.iter().map(|it| it.symbol.to_string()).collect();
            symbols.sort();
            symbols
        };
        assert_eq!(found(labels(conn, &[1, 2, 99]).unwrap()), ["NQ"]);
        assert_eq!(
            found(labels_of_all(conn, &[1, 2, 99]).unwrap()),
            ["ES", "NQ"]
        );
    });
}

#[test]
fn a_new_instrument_comes_back_as_it_was_stored() {
    on_both(|conn| {
        let stored = insert(conn, &bitcoin(), at(7)).unwrap();
        assert_eq!(stored.symbol.as_str(), "BTCUSD");
        assert_eq!((stored.created_at, stored.updated_at), (at(7), at(7)));
        assert_eq!((stored.last_tick, stored.deleted_at), (None, None));
        assert_eq!(get(conn, stored.id).unwrap(), stored);
    });
}

#[test]
fn a_taken_symbol_is_a_conflict_that_names_the_active_instrument() {
    on_both(|conn| {
        let first = insert(conn, &bitcoin(), at(1)).unwrap();
        let text = conflict(insert(conn, &bitcoin(), at(2)));
        let named = format!("active instrument {} \"Bitcoin\"", first.id);
        assert!(text.contains(&named), "{text}");
        soft_delete(conn, &[first.id], &mut gone_at(at(3))).unwrap();
        let second = insert(conn, &bitcoin(), at(4)).unwrap();
        assert!(second.id > first.id, "a deleted one gives its symbol free");
    });
}

#[test]
fn a_change_touches_what_it_names_and_an_empty_one_only_updated_at() {
    on_both(|conn| {
        let before = get(conn, 1).unwrap();
        let same = update(conn, 1, &InstrumentChange::default(), at(8)).unwrap();
        let mut expected = before.clone();
        expected.updated_at = at(8);
        assert_eq!(same, expected);
        let change = InstrumentChange {
            name: Some("E-mini".to_owned()),
            ..InstrumentChange::default()
        };
        expected.name = "E-mini".to_owned();
        expected.updated_at = at(9);
        assert_eq!(update(conn, 1, &change, at(9)).unwrap(), expected);
        assert_eq!(get(conn, 1).unwrap(), expected);
        soft_delete(conn, &[1], &mut gone_at(at(10))).unwrap();
        for id in [1, 99] {
            let error = update(conn, id, &change, at(11)).unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        }
    });
}

#[test]
fn deletion_counts_exactly_and_keeps_its_first_moment() {
    on_both(|conn| {
        assert_eq!(soft_delete(conn, &[], &mut gone_at(at(1))).unwrap(), 0);
        assert_eq!(
            soft_delete(conn, &[1, 2, 2, 99], &mut gone_at(at(1))).unwrap(),
            2
        );
        assert_eq!(soft_delete(conn, &[1, 3], &mut gone_at(at(2))).unwrap(), 1);
        assert_eq!(deleted_at(conn, 1), Some(at(1)));
        assert_eq!(deleted_at(conn, 3), Some(at(2)));
        assert_eq!(restore(conn, &[1, 1, 4, 99]).unwrap(), 1);
        assert_eq!(deleted_at(conn, 1), None);
        assert_eq!(restore(conn, &[1, 2, 3]).unwrap(), 2);
        assert_eq!(list(conn, InstrumentFilter::default()).unwrap().len(), 12);
    });
}

#[test]
fn more_ids_than_one_statement_takes_are_counted_over_all_of_them() {
    on_both(|conn| {
        let ids: Vec<i64> = (-25_000..=12).collect();
        assert_eq!(soft_delete(conn, &ids, &mut gone_at(at(1))).unwrap(), 12);
        assert_eq!(restore(conn, &ids).unwrap(), 12);
    });
}

#[test]
fn an_instrument_with_an_active_rule_stays_and_the_rule_is_named() {
    on_both(|conn| {
        let idle = store_rule(conn, 2, false);
        let rule = store_rule(conn, 1, true);
        let text =
            conflict(conn.savepoint(|conn| soft_delete(conn, &[3, 2, 1], &mut gone_at(at(1)))));
        assert!(text.contains("instrument 1 ES"), "{text}");
        let named = format!("active rule {rule} \"breakout\"");
        assert!(text.contains(&named), "{text}");
        assert_eq!(deleted_at(conn, 3), None, "all or none");
        assert_eq!(
            soft_delete(conn, &[2], &mut gone_at(at(1))).unwrap(),
            1,
            "rule {idle} is off"
        );
        alert_rule::soft_delete(conn, &[rule], &mut gone_at(at(1))).unwrap();
        assert_eq!(soft_delete(conn, &[1], &mut gone_at(at(2))).unwrap(), 1);
    });
}

#[test]
fn a_symbol_that_was_taken_meanwhile_stops_the_restoration() {
    on_both(|conn| {
        let first = insert(conn, &bitcoin(), at(1)).unwrap().id;
        soft_delete(conn, &[first, 5], &mut gone_at(at(2))).unwrap();
        let second = insert(conn, &bitcoin(), at(3)).unwrap().id;
        let text = conflict(conn.savepoint(|conn| restore(conn, &[5, first])));
        assert!(
            text.starts_with(&format!("instrument {first} BTCUSD")),
            "{text}"
        );
        assert!(
            text.contains(&format!("active instrument {second}")),
            "{text}"
        );
        assert_eq!(deleted_at(conn, 5), Some(at(2)), "all or none");
        soft_delete(conn, &[second], &mut gone_at(at(4))).unwrap();
        let text = conflict(restore(conn, &[first, second]));
        assert!(text.contains("restore one of them"), "{text}");
        assert_eq!(restore(conn, &[second]).unwrap(), 1);
    });
}

#[test]
fn a_row_that_another_writer_stored_first_is_a_conflict_too() {
    on_both(|conn| {
        let double = diesel::result::Error::DatabaseError(
            diesel::result::DatabaseErrorKind::UniqueViolation,
            Box::new(String::new()),
        );
        let text = conflict::<()>(Err(crate::repository::or_conflict(double, "instrument ES")));
        assert!(text.contains("another writer"), "{text}");
        // And the index does refuse a second active ES.
        let raw = instruments::table.insert().values((
            NewInstrument::new(symbol("ES"), "again", InstrumentType::Future),
            instruments::created_at.eq(at(1)),
            instruments::updated_at.eq(at(1)),
        ));
        let refused = crate::on_backend!(conn, |c| raw.execute(c)).unwrap_err();
        let text = conflict::<()>(Err(crate::repository::or_conflict(refused, "x")));
        assert!(text.contains("another writer"), "{text}");
    });
}

/// Counts the statements of a connection, as Diesel reports them.
fn statements(
    conn: &mut BackendConnection<'_>,
    work: impl FnOnce(&mut BackendConnection<'_>),
) -> usize {
    use diesel::connection::InstrumentationEvent;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let count_starts = move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { .. } = event {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    crate::on_backend!(&mut *conn, |c| c.set_instrumentation(count_starts));
    work(conn);
    let ignore = |_: InstrumentationEvent<'_>| {};
    crate::on_backend!(conn, |c| c.set_instrumentation(ignore));
    count.load(Ordering::Relaxed)
}

#[test]
fn instruments_and_their_rules_are_two_statements_for_one_and_for_twelve() {
    on_both(|conn| {
        let two = [store_rule(conn, 2, true), store_rule(conn, 2, false)];
        let one = store_rule(conn, 9, true);
        let gone = store_rule(conn, 9, true);
        alert_rule::soft_delete(conn, &[gone], &mut gone_at(at(2))).unwrap();
        let inactive = Some(InstrumentStatus::Inactive);
        let off = InstrumentChange {
            status: inactive,
            ..InstrumentChange::default()
        };
        update(conn, 2, &off, at(2)).unwrap();
        let one_alone = InstrumentFilter {
            status: inactive,
            ..InstrumentFilter::default()
        };
        for (filter, found) in [(one_alone, 1), (InstrumentFilter::default(), 12)] {
            let count = statements(conn, |conn| {
                let rows = list_with_rules(conn, filter).unwrap();
                assert_eq!(rows.len(), found);
                for (instrument, rules) in rows {
                    let ids: Vec<i64> = rules.iter().map(|rule| rule.id).collect();
                    let expected = match instrument.id {
                        2 => two.to_vec(),
                        9 => vec![one],
                        _ => Vec::new(),
                    };
                    assert_eq!(ids, expected, "{}", instrument.symbol);
                }
            });
            assert_eq!(count, 2, "for {found} instruments");
        }
    });
}

mod statements {
    use super::*;

    const SOME: InstrumentFilter = InstrumentFilter {
        instrument_type: Some(InstrumentType::Future),
        status: Some(InstrumentStatus::Active),
    };

    #[test]
    fn reads_name_their_scope() {
        insta::assert_snapshot!(tail(&list_query(SOME)), @"FROM instruments WHERE (((instruments.deleted_at IS NULL) AND (instruments.instrument_type = $1)) AND (instruments.status = $2)) ORDER BY instruments.symbol ASC");
        insta::assert_snapshot!(tail(&list_query(InstrumentFilter::default())), @"FROM instruments WHERE (((instruments.deleted_at IS NULL) AND 1 = 1) AND 1 = 1) ORDER BY instruments.symbol ASC");
        insta::assert_snapshot!(tail(&by_id_query(1)), @"FROM instruments WHERE ((instruments.deleted_at IS NULL) AND (instruments.id = $1))");
        insta::assert_snapshot!(tail(&by_symbol_query(&symbol("ES"))), @"FROM instruments WHERE ((instruments.deleted_at IS NULL) AND (instruments.symbol = $1))");
    }

    #[test]
    fn deletion_restoration_and_their_obstacles_name_their_scope() {
        insta::assert_snapshot!(tail(&active_query(&[1])), @"FROM instruments WHERE ((instruments.deleted_at IS NULL) AND (instruments.id = ANY($1)))");
        insta::assert_snapshot!(tail(&deleted_query(&[1])), @"FROM instruments WHERE ((instruments.deleted_at IS NOT NULL) AND (instruments.id = ANY($1)))");
        insta::assert_snapshot!(tail(&watching_query(&[1])), @"FROM (alert_rules INNER JOIN instruments ON ((instruments.deleted_at IS NULL) AND (alert_rules.instrument_id = instruments.id))) WHERE (((alert_rules.deleted_at IS NULL) AND (alert_rules.instrument_id = ANY($1))) AND (alert_rules.active = $2)) ORDER BY instruments.id ASC, alert_rules.id ASC");
        insta::assert_snapshot!(tail(&holders_query(&[symbol("ES")])), @"FROM instruments WHERE ((instruments.deleted_at IS NULL) AND (instruments.symbol = ANY($1))) ORDER BY instruments.symbol ASC");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_seeks_and_never_sorts() {
        use crate::repository::test_rows::assert_sqlite_plan as plan;
        use crate::test_support::on_sqlite;
        let by_key = "SEARCH instruments USING INTEGER PRIMARY KEY (rowid=?)";
        let by_symbol = "SEARCH instruments USING INDEX instruments_symbol_active (symbol=?)";
        on_sqlite(|conn| {
            plan(
                conn,
                &list_query(SOME),
                "USING INDEX instruments_symbol_active",
            );
            plan(conn, &by_id_query(1), by_key);
            plan(conn, &by_symbol_query(&symbol("ES")), by_symbol);
            plan(conn, &active_query(&[1, 2]), by_key);
            plan(conn, &deleted_query(&[1, 2]), by_key);
            plan(
                conn,
                &holders_query(&[symbol("ES"), symbol("NQ")]),
                by_symbol,
            );
            plan(
                conn,
                &watching_query(&[1, 2]),
                "SEARCH alert_rules USING INDEX alert_rules_instrument_active (instrument_id=?)",
            );
        });
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_seeks_in_its_indexes() {
        use crate::repository::test_rows::assert_postgres_plan as plan;
        use crate::test_support::on_postgres;
        on_postgres(|conn| {
            plan(conn, &list_query(SOME), "instruments_symbol_active");
            plan(conn, &by_id_query(1), "instruments_pkey");
            plan(
                conn,
                &by_symbol_query(&symbol("ES")),
                "instruments_symbol_active",
            );
            plan(
                conn,
                &holders_query(&[symbol("ES")]),
                "instruments_symbol_active",
            );
            plan(conn, &watching_query(&[1]), "alert_rules_instrument_active");
        });
    }
}
