//! The history on both backends: precedence of what is stored, ranges, the newest bars, filling.

use super::*;
use crate::database::BackendConnection;
use crate::domain::tick::{RawTick, Tick};
use crate::domain::{BarPrice, Frequency, ProviderType};
use crate::models::{NewDataSource, NewMarketDataBar};
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::{bar, data_source, market_data};
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2024-01-01T00:00:00Z, a Monday.
const START: i64 = 1_704_067_200_000_000;

/// A moment after [`START`].
fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(START + micros).unwrap()
}

/// Ticks of instrument 1, each with a volume of 2.
fn store(conn: &mut BackendConnection<'_>, ticks: &[(i64, f64)]) {
    let ticks: Vec<Tick> = ticks
        .iter()
        .map(|(micros, price)| {
            Tick::try_from(RawTick {
                instrument_id: Some(1),
                timestamp: Some(at(*micros)),
                price: Some(*price),
                volume: Some(2.0),
                ..RawTick::default()
            })
            .unwrap()
        })
        .collect();
    let options = market_data::InsertOptions::default();
    let stored = conn
        .savepoint(|conn| market_data::insert_batch(conn, &ticks, &options, at(0)))
        .unwrap();
    assert_eq!(stored.inserted, ticks.len());
}

/// A tick of instrument 1 with a size and no price.
fn store_size(conn: &mut BackendConnection<'_>, micros: i64) {
    let size = Tick::try_from(RawTick {
        instrument_id: Some(1),
        timestamp: Some(at(micros)),
        volume: Some(2.0),
        ..RawTick::default()
    });
    let options = market_data::InsertOptions::default();
    let ticks = [size.unwrap()];
    let stored = conn.savepoint(|conn| market_data::insert_batch(conn, &ticks, &options, at(0)));
    assert_eq!(stored.unwrap().inserted, 1);
}

/// Bars that came in, all prices the same.
fn import(conn: &mut BackendConnection<'_>, source: i64, of: Frequency, bars: &[(i64, i64)]) {
    let bars: Vec<NewMarketDataBar> = bars
        .iter()
        .map(|(micros, price)| {
            let price = *price as f64;
            NewMarketDataBar {
                instrument_id: 1,
                timestamp: at(*micros),
                frequency: of,
                open_price: price,
                high_price: price,
                low_price: price,
                close_price: price,
                volume: 1.0,
                open_interest: None,
                contract_month: None,
                data_source_id: source,
                is_adjusted: false,
                quality_score: None,
                turnover: None,
                tick_count: None,
            }
        })
        .collect();
    conn.savepoint(|conn| bar::insert_batch(conn, &bars, at(0)))
        .unwrap();
}

fn vendor(conn: &mut BackendConnection<'_>) -> i64 {
    let new = NewDataSource::new("vendor", ProviderType::Api);
    data_source::insert(conn, &new, at(0)).unwrap().id
}

fn asked(conn: &mut BackendConnection<'_>, query: &BarQuery) -> BarHistory {
    bars(conn, query).unwrap()
}

fn all(conn: &mut BackendConnection<'_>, frequency: Frequency) -> BarHistory {
    asked(conn, &BarQuery::all(1, frequency))
}

/// Start after [`START`], close and origin of each bar.
fn closes(history: &BarHistory) -> Vec<(i64, f64, BarOrigin)> {
    let close = |bar: &HistoryBar| {
        let values = bar.values.as_ref();
        let close = values.map_or(f64::MAX, |values| values.close);
        (bar.timestamp.micros() - START, close, bar.origin)
    };
    history.bars.iter().map(close).collect()
}

use BarOrigin::{Aggregated, Filled, Imported};

#[test]
fn ticks_make_the_bars_of_every_frequency() {
    on_both(|conn| {
        store(
            conn,
            &[(1, 10.0), (MINUTE - 1, 12.0), (MINUTE, 9.0), (DAY, 11.5)],
        );
        let minutes = all(conn, Frequency::OneMinute);
        assert_eq!(
            closes(&minutes),
            [
                (0, 12.0, Aggregated),
                (MINUTE, 9.0, Aggregated),
                (DAY, 11.5, Aggregated)
            ]
        );
        assert_eq!(
            (minutes.basis(), minutes.has_more),
            (BarBasis::Aggregated, false)
        );
        let values = minutes.bars[0].values.clone().unwrap();
        assert_eq!((values.volume, values.tick_count), (4.0, Some(2)));
        assert_eq!(values.vwap(), Some(11.0));
        for (frequency, bars) in [(Frequency::OneDay, 2), (Frequency::OneMonth, 1)] {
            let history = all(conn, frequency);
            assert_eq!(history.bars.len(), bars, "{frequency}");
            let values = history.bars[0].values.clone().unwrap();
            let prices = [values.open, values.high, values.low];
            assert_eq!(prices, [10.0, 12.0, 9.0]);
        }
        let none = asked(conn, &BarQuery::all(2, Frequency::OneDay));
        assert_eq!((none.basis(), none.bars.len()), (BarBasis::NoData, 0));
    });
}

#[test]
fn a_range_holds_the_whole_bars_that_start_in_it() {
    on_both(|conn| {
        let ticks: Vec<(i64, f64)> = (0..8).map(|n| (n * HOUR / 2, n as f64)).collect();
        store(conn, &ticks);
        let mut range = |start, end| {
            let query = BarQuery {
                start: Some(at(start)),
                end: Some(at(end)),
                ..BarQuery::all(1, Frequency::OneHour)
            };
            closes(&asked(conn, &query))
        };
        // What starts at 0 is before the range; what starts at two hours ends after it.
        assert_eq!(
            range(1, 2 * HOUR + 1),
            [(HOUR, 3.0, Aggregated), (2 * HOUR, 5.0, Aggregated)]
        );
        assert_eq!(range(HOUR, 2 * HOUR), [(HOUR, 3.0, Aggregated)]);
        assert!(range(HOUR, HOUR).is_empty());
        assert!(range(4 * HOUR, 9 * HOUR).is_empty());
        let query = BarQuery {
            start: Some(at(1)),
            end: Some(at(0)),
            ..BarQuery::all(1, Frequency::OneHour)
        };
        assert!(
            bars(conn, &query)
                .unwrap_err()
                .to_string()
                .contains("is after end")
        );
    });
}

#[test]
fn a_bar_that_came_in_stands_before_its_ticks_and_the_first_source_before_others() {
    on_both(|conn| {
        let vendor = vendor(conn);
        store(
            conn,
            &[(1, 10.0), (HOUR, 20.0), (3 * HOUR, 30.0), (5 * HOUR, 40.0)],
        );
        import(
            conn,
            vendor,
            Frequency::OneHour,
            &[(HOUR, 200), (2 * HOUR, 201)],
        );
        import(conn, 1, Frequency::OneHour, &[(HOUR, 100)]);
        let history = all(conn, Frequency::OneHour);
        assert_eq!(
            closes(&history),
            [
                (0, 10.0, Aggregated),
                (HOUR, 100.0, Imported(1)),
                (2 * HOUR, 201.0, Imported(vendor)),
                (3 * HOUR, 30.0, Aggregated),
                (5 * HOUR, 40.0, Aggregated),
            ]
        );
        let stored = asked(
            conn,
            &BarQuery {
                start: Some(at(HOUR)),
                end: Some(at(3 * HOUR)),
                ..BarQuery::all(1, Frequency::OneHour)
            },
        );
        assert_eq!(stored.basis(), BarBasis::Stored);
        let of_source = asked(
            conn,
            &BarQuery {
                source: Some(vendor),
                max_records: Some(5),
                ..BarQuery::all(1, Frequency::OneHour)
            },
        );
        assert_eq!(
            closes(&of_source),
            [
                (HOUR, 200.0, Imported(vendor)),
                (2 * HOUR, 201.0, Imported(vendor))
            ]
        );
    });
}

#[test]
fn shorter_bars_that_came_in_make_longer_ones_and_ticks_count_where_none_covers_them() {
    on_both(|conn| {
        // The first two are covered, by a minute and by an hour.
        store(conn, &[(1, 90.0), (HOUR + 1, 91.0), (25 * HOUR, 50.0)]);
        import(
            conn,
            1,
            Frequency::OneMinute,
            &[(0, 7), (DAY, 8), (2 * DAY, 9)],
        );
        import(
            conn,
            1,
            Frequency::OneHour,
            &[(HOUR, 1), (2 * HOUR, 3), (DAY, 2)],
        );
        let days = all(conn, Frequency::OneDay);
        assert_eq!(
            closes(&days),
            [
                (0, 3.0, Aggregated),
                (DAY, 50.0, Aggregated),
                (2 * DAY, 9.0, Aggregated)
            ]
        );
        let values = days.bars[0].values.clone().unwrap();
        assert_eq!((values.open, values.high, values.volume), (7.0, 7.0, 3.0));
        let second = days.bars[1].values.clone().unwrap();
        assert_eq!((second.open, second.volume), (2.0, 3.0));
        assert_eq!(days.sources.names(), ["tickbase", "ticks"]);
        assert_eq!(
            (values.turnover, values.vwap(), values.tick_count),
            (None, None, None)
        );
        let newest = BarQuery {
            max_records: Some(2),
            ..BarQuery::all(1, Frequency::OneDay)
        };
        let newest = asked(conn, &newest);
        assert_eq!((&newest.bars[..], newest.has_more), (&days.bars[1..], true));
        let last = BarQuery {
            max_records: Some(1),
            ..BarQuery::all(1, Frequency::OneDay)
        };
        let last = asked(conn, &last);
        assert_eq!(
            last.sources.names(),
            ["tickbase"],
            "the ticks are of days before"
        );
    });
}

#[test]
fn empty_periods_are_filled_as_asked() {
    on_both(|conn| {
        store(conn, &[(0, 1.0), (3 * MINUTE, 2.0), (4 * MINUTE, 3.0)]);
        let mut filled = |fill, max_records| {
            let query = BarQuery {
                fill,
                max_records,
                ..BarQuery::all(1, Frequency::OneMinute)
            };
            let history = asked(conn, &query);
            (closes(&history), history.has_more)
        };
        let bar = |minute: i64, close, origin| (minute * MINUTE, close, origin);
        let previous = vec![
            bar(0, 1.0, Aggregated),
            bar(1, 1.0, Filled),
            bar(2, 1.0, Filled),
            bar(3, 2.0, Aggregated),
            bar(4, 3.0, Aggregated),
        ];
        assert_eq!(filled(Fill::Previous, None), (previous.clone(), false));
        assert_eq!(filled(Fill::Previous, Some(5)), (previous.clone(), false));
        assert_eq!(
            filled(Fill::Previous, Some(4)),
            (previous[1..].to_vec(), true)
        );
        let (null, _) = filled(Fill::Null, Some(3));
        assert_eq!(null[0], bar(2, f64::MAX, Filled));
        assert_eq!(filled(Fill::None, Some(2)).0, previous[3..]);
    });
}

#[test]
fn deleted_ticks_are_in_no_bar() {
    on_both(|conn| {
        store(conn, &[(0, 1.0), (HOUR, 2.0), (HOUR + 1, 3.0)]);
        let range = market_data::TickRange {
            instrument_id: 1,
            start: Some(at(0)),
            end: Some(at(HOUR + 1)),
        };
        market_data::soft_delete_range(conn, &range, &mut DeletionBatch::of_elsewhere(at(DAY)))
            .unwrap();
        assert_eq!(
            closes(&all(conn, Frequency::OneHour)),
            [(HOUR, 3.0, Aggregated)]
        );
    });
}

#[test]
fn bars_keep_the_prices_of_their_ticks_at_any_magnitude() {
    on_both(|conn| {
        let prices = [4.2155e-9, 1.07127, 1e300];
        let ticks: Vec<(i64, f64)> = (0..).map(|day| day * DAY).zip(prices).collect();
        store(conn, &ticks);
        let days = closes(&all(conn, Frequency::OneDay));
        assert_eq!(days.iter().map(|day| day.1).collect::<Vec<_>>(), prices);
        let none = BarQuery {
            max_records: Some(0),
            ..BarQuery::all(1, Frequency::OneDay)
        };
        assert!(bars(conn, &none).is_err());
    });
}

#[test]
fn the_newest_bars_are_the_last_of_all_whatever_they_come_from() {
    on_both(|conn| {
        let vendor = vendor(conn);
        // A thin and a thick stretch of ticks, with holes; bars of several frequencies between.
        let ticks: Vec<(i64, f64)> = (0..700)
            .map(|n| match n % 7 {
                0..5 => (n * MINUTE / 10, n as f64),
                _ => (3 * DAY + n * n * MINUTE, n as f64),
            })
            .collect();
        store(conn, &ticks);
        import(
            conn,
            vendor,
            Frequency::OneHour,
            &[(HOUR, 5), (50 * HOUR, 6), (600 * HOUR, 7)],
        );
        import(conn, 1, Frequency::OneDay, &[(2 * DAY, 8), (90 * DAY, 9)]);
        for frequency in Frequency::ALL {
            let whole = all(conn, frequency).bars;
            for count in [1, 2, 3, 10, 57, 300, whole.len(), whole.len() + 1] {
                let query = BarQuery {
                    max_records: Some(count),
                    ..BarQuery::all(1, frequency)
                };
                let newest = asked(conn, &query);
                let expected = &whole[whole.len().saturating_sub(count)..];
                assert_eq!(newest.bars, expected, "{frequency}, {count}");
                assert_eq!(newest.has_more, count < whole.len(), "{frequency}, {count}");
            }
        }
    });
}

#[test]
fn a_period_that_is_named_by_another_moment_than_its_start_is_one_all_the_same() {
    on_both(|conn| {
        let vendor = vendor(conn);
        // Days that end at 16:00, and the same days by their starts, and a day of one source alone.
        let closing = |day: i64| day * DAY + 16 * HOUR;
        let days = [(closing(0), 1), (closing(1), 2), (closing(4), 3)];
        import(conn, 1, Frequency::OneDay, &days);
        let days = [(0, 10), (DAY, 20), (2 * DAY, 30), (closing(4) + HOUR, 99)];
        import(conn, vendor, Frequency::OneDay, &days);
        let expected = [
            (closing(0), 1.0, Imported(1)),
            (closing(1), 2.0, Imported(1)),
            (2 * DAY, 30.0, Imported(vendor)),
            (closing(4), 3.0, Imported(1)),
        ];
        assert_eq!(closes(&all(conn, Frequency::OneDay)), expected);
        let filled = BarQuery {
            fill: Fill::Previous,
            ..BarQuery::all(1, Frequency::OneDay)
        };
        let mut with_one_more = expected.to_vec();
        with_one_more.insert(3, (3 * DAY, 30.0, Filled));
        assert_eq!(closes(&asked(conn, &filled)), with_one_more);
        // A week is made of each day once.
        let week = all(conn, Frequency::OneWeek);
        let values = week.bars[0].values.clone().unwrap();
        assert_eq!(week.bars.len(), 1);
        assert_eq!((values.volume, values.high), (4.0, 30.0));
    });
}

#[test]
fn the_extent_is_that_of_prices_and_of_bars_of_which_answers_are_made() {
    on_both(|conn| {
        let between = |of: Option<(Timestamp, Timestamp)>| {
            of.map(|(first, last)| (first.micros() - START, last.micros() - START))
        };
        let hours = |conn: &mut BackendConnection<'_>| {
            between(extent(conn, 1, Frequency::OneHour, BarPrice::Last).unwrap())
        };
        store_size(conn, 0);
        assert_eq!(hours(conn), None);
        assert!(all(conn, Frequency::OneHour).bars.is_empty());
        store(conn, &[(HOUR, 1.0), (2 * HOUR + 1, 2.0)]);
        store_size(conn, 9 * HOUR);
        assert_eq!(hours(conn), Some((HOUR, 2 * HOUR + 1)));
        let source = vendor(conn);
        import(conn, source, Frequency::OneMinute, &[(5 * HOUR, 3)]);
        import(conn, source, Frequency::OneDay, &[(-DAY, 4), (3 * DAY, 4)]);
        assert_eq!(hours(conn), Some((HOUR, 5 * HOUR)));
        let days = between(extent(conn, 1, Frequency::OneDay, BarPrice::Last).unwrap());
        assert_eq!(days, Some((-DAY, 3 * DAY)));
        let weeks = between(extent(conn, 1, Frequency::OneWeek, BarPrice::Last).unwrap());
        assert_eq!(weeks, days);
    });
}
