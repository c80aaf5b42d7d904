//! Bars that came in beside ticks: what a longer period is made of, and what becomes of built bars
//! when such a bar comes, changes, goes and returns.

use crate::bar_series::model::PlainBar;
use crate::bar_series::world::{DAY, HOUR, MINUTE, World, at, open};
use crate::support::{db_delete, db_write, on_both, upsert_bars};
use tickbase::domain::Frequency;
use tickbase::models::NewMarketDataBar;
use tickbase::repository::bar::{self, BarRange};
use tickbase::services::historical_data::{BarHistory, BarQuery, bars};

const M1: Frequency = Frequency::OneMinute;
const H1: Frequency = Frequency::OneHour;
const D1: Frequency = Frequency::OneDay;

const NONE_STALE: [Vec<i64>; 3] = [Vec::new(), Vec::new(), Vec::new()];

/// A bar of the first source; prices in tenths: open, high, low, close.
fn bar(world: &World<'_>, of: Frequency, second: i64, tenths: [i64; 4]) -> NewMarketDataBar {
    let price = |tenths: i64| tenths as f64 / 10.0;
    NewMarketDataBar {
        instrument_id: world.id,
        timestamp: at(second),
        frequency: of,
        open_price: price(tenths[0]),
        high_price: price(tenths[1]),
        low_price: price(tenths[2]),
        close_price: price(tenths[3]),
        volume: 100.0,
        open_interest: None,
        contract_month: None,
        data_source_id: 1,
        is_adjusted: false,
        quality_score: None,
        turnover: None,
        tick_count: None,
    }
}

fn import(world: &World<'_>, bars: Vec<NewMarketDataBar>) {
    let report = upsert_bars(world.db, bars).unwrap();
    assert_eq!(report.rejected, []);
}

fn answer(world: &World<'_>, frequency: Frequency) -> BarHistory {
    let query = BarQuery::all(world.id, frequency);
    world
        .db
        .read("test.bars", |conn| bars(conn, &query))
        .unwrap()
}

/// Prices and volume of each bar.
fn plain(history: &BarHistory) -> Vec<([f64; 4], f64)> {
    let bars = history.bars.iter().map(PlainBar::of_answer);
    bars.map(|bar| (bar.prices, bar.volume)).collect()
}

/// A day of minutes, 14:30 to 20:59, each a tenth above the one before.
fn session(world: &World<'_>) -> Vec<NewMarketDataBar> {
    let minute = |n: i64| {
        let second = DAY + 14 * HOUR + (30 + n) * MINUTE;
        let open = 1_000 + n;
        bar(world, M1, second, [open, open + 2, open - 1, open + 1])
    };
    (0..390).map(minute).collect()
}

on_both! {
    fn a_few_live_ticks_do_not_take_the_place_of_a_day_of_minutes(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "ES2");
        import(&world, session(&world));
        let whole = [([100.0, 139.1, 99.9, 139.0], 39_000.0)];
        let history = answer(&world, D1);
        assert_eq!(plain(&history), whole);
        assert_eq!(history.sources.names(), ["tickbase"]);
        let live = (55..60).map(|n| DAY + 20 * HOUR + n * MINUTE + 30);
        world.insert(&live.collect::<Vec<i64>>());
        let history = answer(&world, D1);
        assert_eq!(plain(&history), whole);
        assert_eq!(history.sources.names(), ["tickbase"], "every minute has its bar");
        // A minute without a bar is made of its ticks.
        world.insert(&[DAY + 21 * HOUR]);
        let history = answer(&world, D1);
        let next = PlainBar::of_answer(&history.bars[0]);
        assert_eq!((next.volume, next.prices[0]), (39_002.0, 100.0));
        assert_eq!(history.sources.names(), ["tickbase", "ticks"]);
        // What is built is made by the same rule, and is no longer a fold of this answer.
        world.insert(&[2 * DAY]);
        let report = world.build(D1);
        assert_eq!((report.bars_written, report.bars_read, report.ticks_read), (1, 390, 1));
        let built = answer(&world, D1);
        assert_eq!(built.bars[0].values, history.bars[0].values);
        assert_eq!(built.sources.names(), ["tickbase-bars", "ticks"]);
        world.assert_true();
    }

    fn a_bar_that_came_in_marks_longer_periods_when_it_comes_changes_goes_and_returns(
        place: &TestDatabase
    ) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, HOUR + 10, 3 * HOUR, 2 * DAY]);
        for frequency in [M1, H1, D1] {
            world.build(frequency);
        }
        let stale = || [M1, H1, D1].map(|of| world.stale(of));
        let repaired = || {
            for frequency in [M1, H1, D1] {
                world.refresh(frequency);
            }
            assert_eq!(stale(), NONE_STALE);
            world.assert_true();
        };
        let minute = |close| bar(&world, M1, HOUR + 60, [70, 90, 60, close]);
        import(&world, vec![minute(80)]);
        assert_eq!(stale(), [vec![], vec![HOUR], vec![0]], "a minute's own series is made of ticks");
        repaired();
        assert_eq!(world.stored(H1)[&at(HOUR)].volume, 102.0);
        import(&world, vec![minute(80)]);
        assert_eq!(stale(), NONE_STALE, "it is the same");
        import(&world, vec![minute(75)]);
        assert_eq!(stale(), [vec![], vec![HOUR], vec![0]]);
        repaired();
        let of_source = BarRange { data_source_id: Some(1), ..BarRange::all(world.id, M1) };
        let id = world.rows(of_source)[0].id;
        assert_eq!(db_delete!(db, bar::soft_delete(&[id])).unwrap(), 1);
        assert_eq!(stale(), [vec![], vec![HOUR], vec![0]]);
        repaired();
        assert_eq!(world.stored(H1)[&at(HOUR)].volume, 2.0);
        assert_eq!(db_write!(db, bar::restore_range(&of_source)).unwrap().restored, 1);
        assert_eq!(stale(), [vec![], vec![HOUR], vec![0]]);
        repaired();
        assert_eq!(db_delete!(db, bar::soft_delete_range(&of_source)).unwrap(), 1);
        assert_eq!(stale(), [vec![], vec![HOUR], vec![0]]);
        repaired();
        import(&world, vec![bar(&world, D1, DAY, [10, 10, 10, 10])]);
        assert_eq!(stale(), NONE_STALE, "days are no part of hours");
    }

    fn bars_alone_are_built_into_longer_ones_as_they_come(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        let minute = |n: i64| bar(&world, M1, n * MINUTE, [10, 10, 10, 10]);
        import(&world, (0..150).map(minute).collect());
        assert_eq!(world.build(M1).series, None, "minutes are made of ticks alone");
        let report = world.build(H1);
        let series = report.series.unwrap();
        assert_eq!((series.built_from, series.built_to), (at(0), at(2 * HOUR)));
        assert_eq!(report.bars_written, 2);
        assert!(!world.all_series()[0].is_due());
        import(&world, (150..200).map(minute).collect());
        assert!(world.all_series()[0].is_due());
        assert_eq!(world.refresh(H1).series.unwrap().built_to, at(3 * HOUR));
        // What comes before is taken in by a build without a start, in parts.
        import(&world, (-3_000..0).map(minute).collect());
        let report = world.build_by(500, H1, Default::default()).unwrap();
        assert_eq!(report.series.unwrap().built_from, at(-50 * HOUR));
        world.assert_true();
    }

    fn months_of_minutes_are_read_in_parts(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        // Sparse over a hundred days, and once more years later; ticks in the holes.
        let minutes = (0..300_i64).map(|n| n * 481);
        let far = (0..20).map(|n| 2_000 * 1_440 + n * 3);
        let minutes: Vec<i64> = minutes.chain(far).collect();
        let minute = |n: &i64| bar(&world, M1, n * MINUTE, [10 + n % 7, 20, 5, 12]);
        import(&world, minutes.iter().map(minute).collect());
        let ticks: Vec<i64> = minutes.iter().step_by(11).map(|n| (n + 1) * MINUTE + 5).collect();
        world.insert(&ticks);
        let model = world.model();
        for frequency in [H1, D1, Frequency::OneWeek, Frequency::OneMonth] {
            let answer = answer(&world, frequency);
            let bars: Vec<PlainBar> = answer.bars.iter().map(PlainBar::of_answer).collect();
            assert_eq!(bars, model.all(frequency), "{frequency}");
        }
    }
}
