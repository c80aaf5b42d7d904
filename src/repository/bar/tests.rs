//! The rules of identity, pages, deletion and restoration, on both backends.

mod statements;

use diesel::prelude::*;

use super::*;
use crate::database::{BackendConnection, Cursor};
use crate::domain::{Bar, BarPrice, Frequency, ProviderType, RawBar};
use crate::models::{MarketDataBar, NewDataSource, NewMarketDataBar};
use crate::repository::test_rows::{at, conflict, gone_at};
use crate::repository::{PAGE_ROWS_MAX, RangeQuery, SortOrder};
use crate::repository::{data_source, instrument};
use crate::soft_delete::SoftDeletable;
use crate::tables::market_data_bars;
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

const DAY: Frequency = Frequency::OneDay;

fn bar(instrument_id: i64, micros: i64, close: &str) -> NewMarketDataBar {
    let raw = RawBar {
        instrument_id,
        timestamp: at(micros),
        frequency: DAY,
        source_id: None,
        open: Some(1.0),
        high: Some(100_000_000.0),
        low: Some(-1.0),
        close: Some(close.parse().unwrap()),
        volume: Some(0.5),
        open_interest: None,
    };
    (&Bar::try_from(raw).unwrap()).into()
}

fn of_source(source: i64, mut bar: NewMarketDataBar) -> NewMarketDataBar {
    bar.data_source_id = source;
    bar
}

fn vendor(conn: &mut BackendConnection<'_>) -> i64 {
    let new = NewDataSource::new("vendor", ProviderType::Api);
    data_source::insert(conn, &new, at(1)).unwrap().id
}

fn insert(conn: &mut BackendConnection<'_>, bars: &[NewMarketDataBar]) -> BarInsertReport {
    conn.savepoint(|conn| insert_batch(conn, bars, at(1_000)))
        .unwrap()
}

fn upsert(conn: &mut BackendConnection<'_>, bars: &[NewMarketDataBar], now: i64) -> UpsertReport {
    conn.savepoint(|conn| upsert_batch(conn, bars, at(now)))
        .unwrap()
}

fn all(conn: &mut BackendConnection<'_>) -> Vec<MarketDataBar> {
    let query = RangeQuery::new(BarRange::all(1, DAY), PAGE_ROWS_MAX);
    range(conn, &query).unwrap().rows
}

fn closes(bars: &[MarketDataBar]) -> Vec<String> {
    bars.iter().map(|bar| bar.close_price.to_string()).collect()
}

fn ids(bars: &[MarketDataBar]) -> Vec<i64> {
    bars.iter().map(|bar| bar.id).collect()
}

fn deleted_at(conn: &mut BackendConnection<'_>, id: i64) -> Option<Timestamp> {
    let query = market_data_bars::table
        .with_deleted("the test looks at deletion itself")
        .filter(market_data_bars::id.eq(id))
        .select(market_data_bars::deleted_at);
    crate::on_backend!(conn, |c| query.first(c)).unwrap()
}

#[test]
fn a_resent_bar_is_a_duplicate_and_other_values_are_a_conflict() {
    on_both(|conn| {
        let first = insert(conn, &[bar(1, 10, "2"), bar(1, 20, "3"), bar(2, 10, "2")]);
        assert_eq!((first.received, first.inserted), (3, 3));
        let stored = all(conn);
        let again = insert(
            conn,
            &[
                bar(1, 10, "2.00"),
                bar(1, 20, "4"),
                bar(1, 30, "5"),
                bar(1, 30, "5"),
                bar(1, 30, "6"),
            ],
        );
        let expected = BarInsertReport {
            received: 5,
            inserted: 1,
            duplicates: 2,
            conflicts: vec![1, 4],
            rejected: Vec::new(),
        };
        assert_eq!(again, expected);
        let now = all(conn);
        assert_eq!(now[..2], stored[..]);
        assert_eq!(closes(&now), ["2", "3", "5"]);
    });
}

#[test]
fn each_value_of_a_bar_tells_a_conflict_from_a_duplicate() {
    on_both(|conn| {
        let first = bar(1, 10, "2");
        insert(conn, std::slice::from_ref(&first));
        let changes: [fn(&mut NewMarketDataBar); 8] = [
            |bar| bar.open_price = 1.0 - f64::EPSILON,
            |bar| bar.high_price = 100_000_000.000_000_01_f64.next_up(),
            |bar| bar.low_price = -1.5,
            |bar| bar.volume = 0.25,
            |bar| bar.open_interest = Some(0.0),
            |bar| bar.contract_month = Some("2013-12".to_owned()),
            |bar| bar.is_adjusted = true,
            |bar| bar.quality_score = Some(100),
        ];
        for (now, change) in (2_000..).zip(changes) {
            let mut other = first.clone();
            change(&mut other);
            assert_eq!(insert(conn, std::slice::from_ref(&other)).conflicts, [0]);
            assert_eq!(upsert(conn, std::slice::from_ref(&other), now).updated, 1);
            let stored = all(conn);
            assert_eq!((stored.len(), stored[0].updated_at), (1, at(now)));
            assert_eq!(NewMarketDataBar::from(stored[0].clone()), other);
            assert_eq!(insert(conn, std::slice::from_ref(&other)).duplicates, 1);
            upsert(conn, std::slice::from_ref(&first), now);
        }
    });
}

#[test]
fn bars_that_break_a_rule_come_back_with_index_and_reason_and_the_others_are_stored() {
    on_both(|conn| {
        instrument::soft_delete(conn, &[2], &mut gone_at(at(1))).unwrap();
        let mut upside_down = bar(1, 30, "1");
        upside_down.high_price = 0.5;
        let mut nan = bar(1, 30, "1");
        nan.volume = f64::NAN;
        let mut perfect = bar(1, 30, "1");
        perfect.quality_score = Some(101);
        let mut odd = bar(1, 30, "1");
        odd.contract_month = Some("2013\0".to_owned());
        let batch = [
            bar(2, 10, "1"),
            bar(1, 10, "1"),
            bar(99, 10, "1"),
            of_source(77, bar(1, 10, "1")),
            upside_down,
            nan,
            perfect,
            odd,
        ];
        let report = insert(conn, &batch);
        assert_eq!((report.received, report.inserted), (8, 1));
        let wanted = [
            (0, "instrument 2 is unknown or deleted"),
            (2, "instrument 99 is unknown or deleted"),
            (3, "data source 77 is unknown"),
            (4, "high: 0.5 is below the open 1"),
            (5, "volume: NaN"),
            (6, "quality_score: 101"),
            (7, "contract_month: "),
        ];
        assert_eq!(report.rejected.len(), wanted.len());
        for (rejection, (index, reason)) in report.rejected.iter().zip(wanted) {
            assert_eq!(rejection.index, index);
            assert!(rejection.reason.starts_with(reason), "{}", rejection.reason);
        }
        let upserted = upsert(conn, &batch, 2_000);
        assert_eq!((upserted.inserted, upserted.unchanged), (0, 1));
        assert_eq!(upserted.rejected, report.rejected);
        assert_eq!(all(conn).len(), 1);
    });
}

#[test]
fn an_upsert_replaces_values_keeps_the_row_and_says_what_changed() {
    on_both(|conn| {
        insert(conn, &[bar(1, 10, "2"), bar(1, 20, "3")]);
        let before = all(conn);
        let report = upsert(
            conn,
            &[
                bar(1, 10, "2"),
                bar(1, 20, "4"),
                bar(1, 20, "5"),
                bar(1, 30, "6"),
                bar(1, 30, "7"),
                bar(1, 30, "7"),
            ],
            2_000,
        );
        let expected = UpsertReport {
            received: 6,
            inserted: 1,
            updated: 3,
            unchanged: 2,
            rejected: Vec::new(),
        };
        assert_eq!(report, expected);
        let after = all(conn);
        assert_eq!(closes(&after), ["2", "5", "7"]);
        assert_eq!(after[0], before[0], "an unchanged bar keeps updated_at");
        assert_eq!(after[1].id, before[1].id);
        let stamps = |bar: &MarketDataBar| (bar.created_at, bar.updated_at);
        assert_eq!(stamps(&after[1]), (at(1_000), at(2_000)));
        assert_eq!(stamps(&after[2]), (at(2_000), at(2_000)));
    });
}

#[test]
fn a_deleted_bar_gives_its_period_free_and_stays_deleted() {
    on_both(|conn| {
        insert(conn, &[bar(1, 10, "2"), bar(1, 20, "2")]);
        let old = ids(&all(conn));
        assert_eq!(soft_delete(conn, &old, &mut gone_at(at(5))).unwrap(), 2);
        assert_eq!(insert(conn, &[bar(1, 10, "2")]).inserted, 1);
        assert_eq!(upsert(conn, &[bar(1, 20, "3")], 9).inserted, 1);
        let new = all(conn);
        assert_eq!(closes(&new), ["2", "3"]);
        assert!(ids(&new).iter().all(|id| !old.contains(id)));
        assert_eq!(deleted_at(conn, old[0]), Some(at(5)));
        assert_eq!(deleted_at(conn, old[1]), Some(at(5)));
    });
}

#[test]
fn more_bars_than_one_statement_takes_are_stored_once() {
    on_both(|conn| {
        let bars: Vec<_> = (0..9_000).rev().map(|n| bar(1, n, "2")).collect();
        assert_eq!(insert(conn, &bars).inserted, 9_000);
        assert_eq!(insert(conn, &bars).duplicates, 9_000);
        let mut changed = bars.clone();
        for bar in &mut changed[..4_500] {
            bar.close_price = 3.0;
        }
        let report = upsert(conn, &changed, 2_000);
        assert_eq!((report.updated, report.unchanged), (4_500, 4_500));
        assert_eq!(count(conn, &BarRange::all(1, DAY)).unwrap(), 9_000);
        assert_eq!(
            closes(&all(conn)).iter().filter(|c| *c == "3").count(),
            4_500
        );
    });
}

#[test]
fn prices_survive_the_way_in_and_out_at_any_magnitude() {
    on_both(|conn| {
        let mut new = bar(1, 10, "0.0000000042155");
        new.low_price = f64::MIN;
        new.high_price = f64::MAX;
        new.open_price = 5e-324;
        insert(conn, std::slice::from_ref(&new));
        let stored = NewMarketDataBar::from(all(conn).remove(0));
        let prices = |bar: &NewMarketDataBar| {
            [
                bar.open_price,
                bar.high_price,
                bar.low_price,
                bar.close_price,
            ]
            .map(f64::to_bits)
        };
        assert_eq!(prices(&stored), prices(&new));
        assert_eq!(upsert(conn, std::slice::from_ref(&new), 2_000).unchanged, 1);
        new.close_price = new.close_price.next_up();
        assert_eq!(upsert(conn, std::slice::from_ref(&new), 2_000).updated, 1);
        new.high_price = f64::INFINITY;
        let refused = upsert(conn, std::slice::from_ref(&new), 2_000).rejected;
        assert!(
            refused[0]
                .reason
                .contains("high: inf is not a finite number"),
            "{refused:?}"
        );
    });
}

#[test]
fn pages_follow_each_other_in_both_orders_and_directions() {
    on_both(|conn| {
        let source = vendor(conn);
        let ticks = (0..5).flat_map(|n| {
            let one = bar(1, n, &(2 * n).to_string());
            [one, of_source(source, bar(1, n, &(2 * n + 1).to_string()))]
        });
        let mut minute = bar(1, 2, "99");
        minute.frequency = Frequency::OneMinute;
        let bars: Vec<_> = ticks.chain([minute, bar(2, 2, "98")]).collect();
        insert(conn, &bars);
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            let mut query = RangeQuery::new(BarRange::all(1, DAY), 3);
            query.order = order;
            let mut pages = Vec::new();
            loop {
                let page = range(conn, &query).unwrap();
                pages.push(closes(&page.rows));
                let Some(next) = page.next else { break };
                query.cursor = Some(next);
            }
            let mut expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
            if order == SortOrder::Descending {
                expected.reverse();
            }
            assert_eq!(pages.concat(), expected);
            for page in pages.iter().rev().skip(1) {
                query.cursor = range(conn, &query).unwrap().previous;
                assert!(matches!(query.cursor, Some(Cursor::Before(_))));
                assert_eq!(&closes(&range(conn, &query).unwrap().rows), page);
            }
        }
    });
}

#[test]
fn a_range_has_its_start_lacks_its_end_and_may_name_a_source() {
    on_both(|conn| {
        let source = vendor(conn);
        insert(conn, &[bar(1, 10, "1"), bar(1, 20, "2"), bar(1, 30, "3")]);
        insert(conn, &[of_source(source, bar(1, 20, "4"))]);
        let of = |start, end| BarRange {
            start: Some(at(start)),
            end: Some(at(end)),
            ..BarRange::all(1, DAY)
        };
        assert_eq!(count(conn, &of(10, 30)).unwrap(), 3);
        assert_eq!(count(conn, &of(10, 10)).unwrap(), 0);
        let only = BarRange {
            data_source_id: Some(source),
            ..of(10, 31)
        };
        assert_eq!(count(conn, &only).unwrap(), 1);
        let rows = range(conn, &RangeQuery::new(only, 10)).unwrap().rows;
        assert_eq!(closes(&rows), ["4"]);
        let text = count(conn, &of(11, 10)).unwrap_err().to_string();
        assert!(text.contains("after end"), "{text}");
        for limit in [0, PAGE_ROWS_MAX + 1] {
            assert!(range(conn, &RangeQuery::new(of(1, 2), limit)).is_err());
        }
    });
}

#[test]
fn deletion_by_ids_and_by_range_counts_exactly_and_keeps_its_first_moment() {
    on_both(|conn| {
        insert(conn, &[10, 20, 30, 40].map(|micros| bar(1, micros, "2")));
        let stored = ids(&all(conn));
        let twice = [stored[0], stored[0], 99_999];
        assert_eq!(soft_delete(conn, &twice, &mut gone_at(at(1))).unwrap(), 1);
        let first_three = BarRange {
            end: Some(at(40)),
            ..BarRange::all(1, DAY)
        };
        assert_eq!(
            soft_delete_range(conn, &first_three, &mut gone_at(at(2))).unwrap(),
            2
        );
        assert_eq!(deleted_at(conn, stored[0]), Some(at(1)));
        assert_eq!(deleted_at(conn, stored[1]), Some(at(2)));
        assert_eq!(ids(&all(conn)), [stored[3]]);
        assert_eq!(
            restore(conn, &[stored[0], stored[0], stored[3]]).unwrap(),
            1
        );
        let restored = restore_range(conn, &first_three).unwrap();
        assert_eq!((restored.restored, restored.conflicts), (2, 0));
        assert_eq!(ids(&all(conn)), stored);
        let many: Vec<i64> = (-25_000..0).chain(stored).collect();
        assert_eq!(soft_delete(conn, &many, &mut gone_at(at(3))).unwrap(), 4);
        assert_eq!(restore(conn, &many).unwrap(), 4);
    });
}

#[test]
fn a_period_that_was_taken_meanwhile_is_not_restored() {
    on_both(|conn| {
        insert(conn, &[bar(1, 10, "2"), bar(1, 20, "2")]);
        let old = ids(&all(conn));
        let whole = BarRange::all(1, DAY);
        soft_delete_range(conn, &whole, &mut gone_at(at(1))).unwrap();
        insert(conn, &[bar(1, 20, "3")]);
        let holder = ids(&all(conn))[0];
        let obstacle = format!("active bar {holder};");
        let text = conflict(conn.savepoint(|conn| restore(conn, &old)));
        let starts = format!("bar {} cannot", old[1]);
        assert!(text.starts_with(&starts), "{text}");
        assert!(text.contains(&obstacle), "{text}");
        assert!(text.contains("instrument 1, 1d from 1970-01-01"), "{text}");
        assert_eq!(deleted_at(conn, old[0]), Some(at(1)), "all or none");
        soft_delete(conn, &[holder], &mut gone_at(at(2))).unwrap();
        let text = conflict(conn.savepoint(|conn| restore(conn, &[old[1], holder])));
        assert!(text.contains("restore one of them by its id"), "{text}");
        assert_eq!(restore(conn, &[old[0], holder]).unwrap(), 2);
        assert_eq!(closes(&all(conn)), ["2", "3"]);
    });
}

#[test]
fn a_range_is_restored_as_far_as_its_periods_are_free() {
    on_both(|conn| {
        let source = vendor(conn);
        let whole = BarRange::all(1, DAY);
        insert(conn, &[bar(1, 10, "1"), bar(1, 20, "2"), bar(1, 30, "3")]);
        insert(conn, &[of_source(source, bar(1, 20, "4"))]);
        soft_delete_range(conn, &whole, &mut gone_at(at(1))).unwrap();
        // The period at 20 is taken again; that at 30 was, and its bar is deleted, too.
        insert(conn, &[bar(1, 20, "5"), bar(1, 30, "6")]);
        let at_30 = BarRange {
            start: Some(at(30)),
            ..whole
        };
        soft_delete_range(conn, &at_30, &mut gone_at(at(2))).unwrap();
        let report = restore_range(conn, &whole).unwrap();
        assert_eq!((report.restored, report.conflicts), (3, 2));
        assert_eq!(closes(&all(conn)), ["1", "5", "4", "6"]);
        let again = restore_range(conn, &whole).unwrap();
        assert_eq!((again.restored, again.conflicts), (0, 2));
    });
}

#[test]
fn ranges_of_bars_that_came_in_leave_built_ones_out() {
    on_both(|conn| {
        let source = vendor(conn);
        let built = crate::repository::bar_series::source_id(conn, BarPrice::Last).unwrap();
        let whole = BarRange::all(1, DAY);
        let ranges = imported_ranges(conn, &whole).unwrap();
        let sources: Vec<_> = ranges.iter().filter_map(|of| of.data_source_id).collect();
        assert!(
            sources.contains(&1) && sources.contains(&source),
            "{sources:?}"
        );
        assert!(!sources.contains(&built), "{sources:?}");
        let of = |id| BarRange {
            data_source_id: Some(id),
            ..whole
        };
        assert_eq!(imported_ranges(conn, &of(source)).unwrap(), [of(source)]);
        let text = imported_ranges(conn, &of(built)).unwrap_err().to_string();
        assert!(
            text.starts_with("source: ") && text.contains("built again"),
            "{text}"
        );
    });
}
