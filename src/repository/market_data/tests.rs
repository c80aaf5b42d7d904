//! Each query by its SQL, its plan and its behaviour; the rules of identity on both backends.

mod plans;
mod prices;

use super::read::{ascending_query, count_query, descending_query};
use super::*;
use crate::database::{BackendConnection, Cursor};
use crate::domain::ProviderType;
use crate::domain::tick::RawTick;
use crate::models::NewDataSource;
use crate::repository::data_source;
use crate::repository::test_rows::gone_at;
use crate::repository::{PAGE_ROWS_MAX, RangeQuery, SortOrder};
use crate::test_support::{on_both, sql_of};
use crate::timestamp::Timestamp;

const NOW: i64 = 1_700_000_000_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn now() -> Timestamp {
    at(NOW)
}

fn trade(instrument_id: i64, micros: i64, sequence: Option<i64>, price: f64) -> Tick {
    of_source(1, instrument_id, micros, sequence, price)
}

fn of_source(source: i64, id: i64, micros: i64, sequence: Option<i64>, price: f64) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(id),
        timestamp: Some(at(micros)),
        source_id: Some(source),
        sequence,
        price: Some(price),
        volume: Some(1.0),
        ..RawTick::default()
    })
    .unwrap()
}

fn key(instrument_id: i64, micros: i64, sequence: i64) -> TickKey {
    TickKey {
        instrument_id,
        timestamp: at(micros),
        source_id: 1,
        sequence,
    }
}

fn insert(conn: &mut BackendConnection<'_>, ticks: &[Tick]) -> InsertReport {
    insert_with(
        conn,
        ticks,
        InsertOptions {
            outcomes: true,
            ..InsertOptions::default()
        },
    )
}

fn insert_with(
    conn: &mut BackendConnection<'_>,
    ticks: &[Tick],
    options: InsertOptions,
) -> InsertReport {
    conn.savepoint(|conn| insert_batch(conn, ticks, &options, now()))
        .unwrap()
}

fn last(conn: &mut BackendConnection<'_>, id: i64) -> (Option<i64>, Option<f64>) {
    use crate::tables::instrument_state;
    use diesel::prelude::*;
    let query = instrument_state::table
        .find(id)
        .select((instrument_state::last_tick, instrument_state::last_price));
    let (at, price): (Option<Timestamp>, Option<f64>) =
        crate::on_backend!(conn, |c| query.first(c)).unwrap();
    (at.map(Timestamp::micros), price)
}

#[test]
fn a_resent_tick_is_a_duplicate_and_other_values_are_a_conflict() {
    on_both(|conn| {
        let first = insert(
            conn,
            &[trade(1, 10, Some(7), 100.0), trade(1, 10, Some(8), 100.0)],
        );
        assert_eq!(
            (first.inserted, first.duplicates, first.conflicts),
            (2, 0, 0)
        );
        let again = insert(
            conn,
            &[
                trade(1, 10, Some(7), 100.0),
                trade(1, 10, Some(8), 101.0),
                trade(1, 10, Some(9), 102.0),
                trade(1, 10, Some(9), 102.0),
                trade(1, 10, Some(9), 103.0),
            ],
        );
        assert_eq!(
            again.outcomes.unwrap(),
            [
                RowOutcome::Duplicate,
                RowOutcome::Conflict,
                RowOutcome::Inserted { sequence: 9 },
                RowOutcome::Duplicate,
                RowOutcome::Conflict,
            ]
        );
        let rows = latest(conn, &[1]).unwrap();
        assert_eq!((rows[0].sequence, rows[0].price), (9, Some(102.0)));
        assert_eq!(count(conn, &TickRange::all(1)).unwrap(), 3);
    });
}

#[test]
fn ticks_without_a_sequence_are_all_stored_even_when_they_are_equal() {
    on_both(|conn| {
        let same = vec![trade(1, 10, None, 100.0); 3];
        insert(conn, &same);
        let report = insert(
            conn,
            &[
                trade(1, 10, None, 100.0),
                trade(1, 10, Some(9), 1.0),
                trade(1, 10, None, 100.0),
                trade(1, 11, None, 100.0),
            ],
        );
        let sequences: Vec<RowOutcome> = report.outcomes.unwrap();
        let expected = [10, 9, 11, 0].map(|sequence| RowOutcome::Inserted { sequence });
        assert_eq!(
            sequences, expected,
            "numbers go on after the greatest of the stamp"
        );
        assert_eq!(count(conn, &TickRange::all(1)).unwrap(), 7);
    });
}

#[test]
fn a_deleted_tick_that_is_sent_again_is_counted_apart_and_stays_deleted() {
    on_both(|conn| {
        insert(conn, &[trade(1, 10, Some(0), 100.0)]);
        assert_eq!(
            soft_delete_keys(conn, &[key(1, 10, 0)], &mut gone_at(now())).unwrap(),
            1
        );
        let batch = [
            trade(1, 10, Some(0), 100.0),
            trade(1, 10, Some(0), 101.0),
            trade(1, 10, None, 5.0),
        ];
        let report = insert(conn, &batch);
        assert_eq!(
            (report.received, report.deleted, report.inserted),
            (3, 2, 1)
        );
        assert_eq!((report.duplicates, report.conflicts), (0, 0));
        let expected = [
            RowOutcome::Deleted,
            RowOutcome::Deleted,
            RowOutcome::Inserted { sequence: 1 },
        ];
        assert_eq!(report.outcomes.unwrap(), expected);
        assert_eq!(count(conn, &TickRange::all(1)).unwrap(), 1);
        assert_eq!(restore_keys(conn, &[key(1, 10, 0)]).unwrap(), 1);
        let restored = insert(conn, &batch[..2]);
        assert_eq!((restored.duplicates, restored.conflicts), (1, 1));
    });
}

#[test]
fn an_answer_that_was_kept_before_deleted_rows_were_counted_is_read() {
    let kept = r#"{"received":2,"inserted":1,"duplicates":1,"conflicts":0,"late":0,"rejected":[]}"#;
    let report: InsertReport = serde_json::from_str(kept).unwrap();
    assert_eq!((report.received, report.deleted), (2, 0));
}

#[test]
fn rows_of_unknown_instruments_and_sources_come_back_with_index_and_reason() {
    on_both(|conn| {
        let report = insert(
            conn,
            &[
                trade(99, 10, None, 1.0),
                trade(2, 10, None, 1.0),
                of_source(55, 1, 10, None, 1.0),
            ],
        );
        assert_eq!((report.received, report.inserted), (3, 1));
        let reasons: Vec<(usize, bool)> = report
            .rejected
            .iter()
            .map(|r| (r.index, r.reason.contains("99") || r.reason.contains("55")))
            .collect();
        assert_eq!(reasons, [(0, true), (2, true)]);
    });
}

#[test]
fn the_last_tick_of_an_instrument_follows_and_older_ticks_are_late() {
    on_both(|conn| {
        let report = insert(
            conn,
            &[
                trade(1, 20, None, 100.0),
                trade(1, 10, None, 90.0),
                trade(1, 30, None, 110.0),
                trade(2, 5, None, 1.0),
            ],
        );
        assert_eq!(report.late, 0, "a batch is taken in the order of its keys");
        assert_eq!(last(conn, 1), (Some(30), Some(110.0)));
        assert_eq!(insert(conn, &[trade(1, 29, None, 1.0)]).late, 1);
        assert_eq!(last(conn, 1), (Some(30), Some(110.0)));
        let newest = TickRange {
            instrument_id: 1,
            start: Some(at(25)),
            end: None,
        };
        assert_eq!(
            soft_delete_range(conn, &newest, &mut gone_at(now())).unwrap(),
            2
        );
        assert_eq!(last(conn, 1), (Some(20), Some(100.0)));
        assert_eq!(restore_range(conn, &newest).unwrap(), 2);
        assert_eq!(last(conn, 1), (Some(30), Some(110.0)));
    });
}

#[test]
fn a_repeated_idempotency_key_stores_nothing_and_returns_the_first_answer() {
    on_both(|conn| {
        let options = |key: &str| InsertOptions {
            outcomes: false,
            idempotency_key: Some(key.to_owned()),
            ..InsertOptions::default()
        };
        let batch = [trade(1, 10, None, 1.0), trade(77, 10, None, 1.0)];
        let first = insert_with(conn, &batch, options("a"));
        let again = insert_with(conn, &batch, options("a"));
        assert_eq!(first, again);
        assert_eq!(count(conn, &TickRange::all(1)).unwrap(), 1);
        insert_with(conn, &batch, options("b"));
        assert_eq!(count(conn, &TickRange::all(1)).unwrap(), 2);
        let tomorrow = now().saturating_add_micros(24 * 3_600 * 1_000_000);
        let late = insert_batch(conn, &batch, &options("a"), tomorrow).unwrap();
        assert_eq!(late.inserted, 1, "the key was forgotten after 24 hours");
        assert!(insert_batch(conn, &batch, &options(""), now()).is_err());
    });
}

#[test]
fn pages_follow_each_other_in_both_orders_and_directions() {
    on_both(|conn| {
        let ticks: Vec<Tick> = (0..10)
            .map(|n| trade(1, 10 + n / 4, None, n as f64))
            .collect();
        insert(conn, &ticks);
        insert(conn, &[trade(2, 11, None, 1.0)]);
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            let mut query = RangeQuery::new(TickRange::all(1), 3);
            query.order = order;
            let mut prices = Vec::new();
            let mut pages = Vec::new();
            loop {
                let page = range(conn, &query).unwrap();
                prices.extend(page.rows.iter().filter_map(|row| row.price));
                pages.push(page.rows.clone());
                let Some(next) = page.next else { break };
                query.cursor = Some(next);
            }
            let mut expected: Vec<f64> = (0..10).map(f64::from).collect();
            if order == SortOrder::Descending {
                expected.reverse();
            }
            assert_eq!(prices, expected);
            // And back from the last page.
            for page in pages.iter().rev().skip(1) {
                let here = range(conn, &query).unwrap();
                query.cursor = here.previous;
                assert_eq!(&range(conn, &query).unwrap().rows, page);
            }
        }
    });
}

#[test]
fn a_range_includes_its_start_and_excludes_its_end() {
    on_both(|conn| {
        insert(
            conn,
            &[10, 20, 30].map(|micros| trade(1, micros, None, 1.0)),
        );
        let of = TickRange {
            instrument_id: 1,
            start: Some(at(10)),
            end: Some(at(30)),
        };
        assert_eq!(count(conn, &of).unwrap(), 2);
        let empty = TickRange {
            instrument_id: 1,
            start: Some(at(10)),
            end: Some(at(10)),
        };
        assert_eq!(count(conn, &empty).unwrap(), 0);
        let wrong = TickRange {
            instrument_id: 1,
            start: Some(at(11)),
            end: Some(at(10)),
        };
        assert!(
            count(conn, &wrong)
                .unwrap_err()
                .to_string()
                .contains("after end")
        );
        let mut query = RangeQuery::new(of, 0);
        assert!(range(conn, &query).is_err());
        query.limit = PAGE_ROWS_MAX + 1;
        assert!(range(conn, &query).is_err());
    });
}

#[test]
fn keys_in_bulk_are_counted_exactly_and_keep_their_first_deletion() {
    on_both(|conn| {
        let ticks: Vec<Tick> = (0..9_000).map(|n| trade(1, n, Some(0), 1.0)).collect();
        insert(conn, &ticks);
        let keys: Vec<TickKey> = (0..9_000).rev().map(|n| key(1, n, 0)).collect();
        assert_eq!(
            soft_delete_keys(conn, &keys[..5_000], &mut gone_at(now())).unwrap(),
            5_000
        );
        let later = at(NOW + 1);
        assert_eq!(
            soft_delete_keys(conn, &keys, &mut gone_at(later)).unwrap(),
            4_000
        );
        let first: Vec<_> = deleted_at(conn, 8_999);
        assert_eq!(first, [Some(now())]);
        let unknown = [key(1, 1_000_000, 0), key(1, 0, 0)];
        assert_eq!(restore_keys(conn, &unknown).unwrap(), 1);
        assert_eq!(restore_keys(conn, &keys).unwrap(), 8_999);
        assert_eq!(count(conn, &TickRange::all(1)).unwrap(), 9_000);
    });
}

fn deleted_at(conn: &mut BackendConnection<'_>, micros: i64) -> Vec<Option<Timestamp>> {
    use crate::soft_delete::SoftDeletable;
    use crate::tables::market_data;
    use diesel::prelude::*;
    let query = market_data::table
        .with_deleted("the test looks at deletion itself")
        .filter(market_data::timestamp.eq(at(micros)))
        .select(market_data::deleted_at);
    crate::on_backend!(conn, |c| query.load(c)).unwrap()
}

#[test]
fn the_latest_of_many_instruments_skips_deleted_ticks_and_empty_instruments() {
    on_both(|conn| {
        insert(
            conn,
            &[
                trade(1, 10, None, 1.0),
                trade(1, 20, None, 2.0),
                trade(1, 20, None, 3.0),
                trade(2, 15, None, 4.0),
            ],
        );
        soft_delete_keys(conn, &[key(1, 20, 1)], &mut gone_at(now())).unwrap();
        let prices: Vec<_> = latest(conn, &[2, 1, 3])
            .unwrap()
            .iter()
            .map(|r| (r.instrument_id, r.price))
            .collect();
        assert_eq!(prices, [(1, Some(2.0)), (2, Some(4.0))]);
    });
}

/// Whatever is in the trash, the newest tick is the active one with the greatest key.
#[test]
fn the_latest_of_a_crowded_stamp_is_the_greatest_active_key() {
    on_both(|conn| {
        let other = NewDataSource::new("other", ProviderType::Api);
        let other = data_source::insert(conn, &other, now()).unwrap().id;
        let key_of = |source_id, micros, sequence| TickKey {
            source_id,
            ..key(1, micros, sequence)
        };
        let mut keys = vec![key(1, 10, 9)];
        for sequence in 0..3 {
            keys.push(key_of(1, 20, 10 + sequence));
            keys.push(key_of(other, 20, sequence));
        }
        keys.sort_unstable();
        let tick = |(n, key): (usize, &TickKey)| {
            let micros = key.timestamp.micros();
            of_source(key.source_id, 1, micros, Some(key.sequence), n as f64)
        };
        let mut ticks: Vec<Tick> = keys.iter().enumerate().map(tick).collect();
        ticks.push(trade(2, 30, Some(0), 2.0));
        insert(conn, &ticks);
        while let Some(greatest) = keys.pop() {
            let rows = latest(conn, &[2, 1, 1]).unwrap();
            let found: Vec<i64> = rows.iter().map(|row| row.instrument_id).collect();
            assert_eq!(found, [1, 2]);
            assert_eq!(rows[0].key(), greatest);
            let price = rows[0].price;
            assert_eq!(last(conn, 1), (Some(greatest.timestamp.micros()), price));
            soft_delete_keys(conn, &[greatest], &mut gone_at(now())).unwrap();
        }
        assert_eq!(latest(conn, &[1]).unwrap(), []);
        assert_eq!(last(conn, 1), (None, None));
    });
}

#[test]
fn every_float_survives_the_way_in_and_out() {
    on_both(|conn| {
        let prices = [0.0, -37.63, f64::MIN_POSITIVE, f64::MAX, 0.1 + 0.2, 1e-300];
        let ticks: Vec<Tick> = prices
            .iter()
            .enumerate()
            .map(|(n, p)| trade(1, n as i64, None, *p))
            .collect();
        insert(conn, &ticks);
        let page = range(conn, &RangeQuery::new(TickRange::all(1), 100)).unwrap();
        let back: Vec<f64> = page.rows.iter().filter_map(|row| row.price).collect();
        assert_eq!(back, prices);
        assert_eq!(page.next.or(page.previous), None::<Cursor<TickKey>>);
    });
}
