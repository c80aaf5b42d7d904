//! Bars of quotes: made of the bid, the ask or the middle of ticks, built beside those of trades, and
//! marked by the ticks that have such a quote.

use crate::bar_series::model::PlainBar;
use crate::bar_series::world::{HOUR, MINUTE, World, at, open};
use crate::support::on_both;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{BarPrice, Frequency};
use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey, TICKS_PER_TRANSACTION_MAX};
use tickbase::repository::market_data::InsertOptions;
use tickbase::services::HistoricalDataService;
use tickbase::services::historical_data::{Alternative, BarHistory, BarQuery, alternative, bars};

const M1: Frequency = Frequency::OneMinute;
const H1: Frequency = Frequency::OneHour;
const QUOTES: [BarPrice; 3] = [BarPrice::Bid, BarPrice::Ask, BarPrice::Mid];

fn quote(world: &World<'_>, second: i64, bid: Option<f64>, ask: Option<f64>) -> Tick {
    let raw = RawTick {
        instrument_id: Some(world.id),
        timestamp: Some(at(second)),
        bid,
        ask,
        ..RawTick::default()
    };
    Tick::try_from(raw).unwrap()
}

/// A tick without any price.
fn size(world: &World<'_>, second: i64) -> Tick {
    let raw = RawTick {
        instrument_id: Some(world.id),
        timestamp: Some(at(second)),
        bid_size: Some(1.0),
        ..RawTick::default()
    };
    Tick::try_from(raw).unwrap()
}

fn store(world: &World<'_>, ticks: Vec<Tick>) {
    let count = ticks.len();
    let report = world.ticks().insert_batch(ticks, InsertOptions::default());
    assert_eq!(report.unwrap().inserted, count);
}

fn query(world: &World<'_>, of: Frequency, price: BarPrice) -> BarQuery {
    BarQuery {
        price,
        ..BarQuery::all(world.id, of)
    }
}

fn build(world: &World<'_>, frequency: Frequency, price: BarPrice) {
    let (key, span) = (
        SeriesKey {
            price,
            ..world.key(frequency)
        },
        BuildSpan::default(),
    );
    bar_series::build(world.db, key, span, TICKS_PER_TRANSACTION_MAX).unwrap();
}

fn answer(world: &World<'_>, of: Frequency, price: BarPrice) -> BarHistory {
    let query = query(world, of, price);
    let history = world
        .db
        .read("test.bars", |conn| bars(conn, &query))
        .unwrap();
    let newest = BarQuery {
        max_records: Some(1),
        ..query
    };
    let newest = world
        .db
        .read("test.bars", |conn| bars(conn, &newest))
        .unwrap();
    let last = history.bars.len().saturating_sub(1);
    assert_eq!(newest.bars, history.bars[last..]);
    history
}

fn prices(history: &BarHistory) -> Vec<[f64; 4]> {
    let bars = history.bars.iter().map(PlainBar::of_answer);
    bars.map(|bar| bar.prices).collect()
}

fn instead(world: &World<'_>, of: &BarQuery) -> Alternative {
    world
        .db
        .read("test.instead", |conn| alternative(conn, of))
        .unwrap()
}

/// The starts of the stale periods of a series, in seconds.
fn stale(world: &World<'_>, price: BarPrice) -> Vec<i64> {
    let key = SeriesKey {
        price,
        ..world.key(M1)
    };
    let stale = world.db.read("test.stale", |conn| {
        bar_series::stale_between(conn, key, at(-HOUR), at(100 * HOUR), 1_000)
    });
    let seconds = |start: tickbase::Timestamp| (start.micros() - at(0).micros()) / 1_000_000;
    stale.unwrap().into_iter().map(seconds).collect()
}

on_both! {
    fn quotes_without_trades_make_candles_when_they_are_asked_for(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "EURUSD");
        let trades = query(&world, M1, BarPrice::Last);
        assert_eq!(instead(&world, &trades), Alternative::Nothing);
        store(&world, vec![
            quote(&world, 0, Some(1.1216), Some(1.1218)),
            quote(&world, 1, Some(1.1214), None),
            quote(&world, 2, None, Some(1.1219)),
            quote(&world, 50, Some(1.1215), Some(1.1217)),
            quote(&world, 3 * MINUTE, Some(1.2), Some(1.4)),
        ]);
        assert_eq!(answer(&world, M1, BarPrice::Last).bars, []);
        assert_eq!(instead(&world, &trades), Alternative::OtherPrice(BarPrice::Mid));
        let bid = answer(&world, M1, BarPrice::Bid);
        assert_eq!(prices(&bid), [[1.1216, 1.1216, 1.1214, 1.1215], [1.2; 4]]);
        assert_eq!(bid.sources.names(), ["ticks"]);
        let values = bid.bars[0].values.as_ref().unwrap();
        assert_eq!((values.volume, values.vwap(), values.tick_count), (0.0, None, Some(3)));
        let ask = answer(&world, H1, BarPrice::Ask);
        assert_eq!(prices(&ask), [[1.1218, 1.4, 1.1217, 1.4]]);
        assert_eq!(prices(&answer(&world, H1, BarPrice::Mid)), [[1.1217, 1.3, 1.1216, 1.3]]);
        let of_source = |source| BarQuery { source, ..query(&world, M1, BarPrice::Mid) };
        let asked = |of: &BarQuery| db.read("test.bars", |conn| bars(conn, of)).unwrap().bars.len();
        assert_eq!((asked(&of_source(Some(1))), asked(&of_source(Some(world.vendor())))), (2, 0));
        let later = BarQuery { start: Some(at(HOUR)), ..query(&world, M1, BarPrice::Mid) };
        assert_eq!(instead(&world, &later), Alternative::OtherTime(at(3 * MINUTE)));
    }

    fn bars_of_quotes_are_built_beside_those_of_trades(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "EURUSD");
        world.insert(&[10, 70, 5 * MINUTE]);
        store(&world, vec![
            quote(&world, 0, Some(1.0), Some(2.0)),
            quote(&world, 65, Some(3.0), Some(5.0)),
            quote(&world, 4 * HOUR, Some(7.0), Some(9.0)),
        ]);
        world.build(M1);
        for price in QUOTES {
            let before = [M1, H1].map(|of| answer(&world, of, price));
            build(&world, M1, price);
            build(&world, H1, price);
            let after = [M1, H1].map(|of| answer(&world, of, price));
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(prices(before), prices(after), "{price}");
                let name = format!("tickbase-bars-{price}");
                assert_eq!(after.sources.names(), [&name, "ticks"]);
            }
        }
        let trades = answer(&world, M1, BarPrice::Last);
        assert_eq!(trades.sources.names(), ["tickbase-bars"], "those of quotes are others");
        let told = world.all_series();
        let told: Vec<_> = told.iter().map(|of| (of.series.frequency, of.series.price)).collect();
        let all = BarPrice::ALL.iter().map(|price| (M1, *price));
        let all: Vec<_> = all.chain(QUOTES.map(|price| (H1, price))).collect();
        assert_eq!(told, all);
        world.assert_true();
    }

    fn a_late_tick_marks_the_series_of_the_prices_that_it_has(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "EURUSD");
        store(&world, vec![quote(&world, 0, Some(1.0), Some(2.0)), size(&world, HOUR)]);
        world.insert(&[30]);
        for price in BarPrice::ALL {
            build(&world, M1, *price);
        }
        let marked = || [0, 1, 2, 3].map(|n| stale(&world, BarPrice::ALL[n]).len());
        store(&world, vec![quote(&world, 20, Some(0.5), None)]);
        assert_eq!(marked(), [0, 1, 0, 0], "last, bid, ask, mid");
        store(&world, vec![quote(&world, 70, None, Some(4.0)), size(&world, 71)]);
        assert_eq!(marked(), [0, 1, 1, 0]);
        world.insert(&[40]);
        assert_eq!(marked(), [1, 1, 1, 0]);
        let service = HistoricalDataService::new(db.clone(), Default::default()).unwrap();
        let report = service.refresh_now();
        assert_eq!((report.series, report.errors), (3, vec![]));
        assert_eq!(marked(), [0; 4]);
        let bid = answer(&world, M1, BarPrice::Bid);
        assert_eq!(prices(&bid), [[1.0, 1.0, 0.5, 0.5]]);
        world.ticks().soft_delete_range(world.range(20, 21)).unwrap();
        assert_eq!(marked(), [0, 1, 0, 0]);
        world.ticks().restore_range(world.range(0, 21)).unwrap();
        service.refresh_now();
        assert_eq!(prices(&answer(&world, M1, BarPrice::Bid)), [[1.0, 1.0, 0.5, 0.5]]);
        world.assert_true();
    }
}
