//! The engine on a database: its lifecycle, and which bars a question takes in.

use super::*;
use crate::domain::{Bar, Frequency, RawBar};
use crate::models::NewMarketDataBar;
use crate::repository::bar;
use crate::services::ServiceState;
use crate::services::analytics::Missing;
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

const MINUTE: i64 = 60_000_000;

fn bar_at(minute: i64, source: i64, close: &str) -> NewMarketDataBar {
    let price = || Some(close.parse().unwrap());
    let raw = RawBar {
        instrument_id: 1,
        timestamp: Timestamp::from_micros(minute * MINUTE).unwrap(),
        frequency: Frequency::OneMinute,
        source_id: Some(source),
        open: price(),
        high: price(),
        low: price(),
        close: price(),
        volume: Some(1.0),
        open_interest: None,
    };
    NewMarketDataBar::from(&Bar::try_from(raw).unwrap())
}

#[cfg(feature = "sqlite")]
#[test]
fn an_engine_answers_while_it_runs() {
    let db = crate::testing::TemporaryDatabase::sqlite().unwrap();
    let engine = AnalyticsEngine::new(db.clone());
    let question = IndicatorQuestion::all(1, Frequency::OneMinute);
    let refused = engine.ask(&question).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "analytics_engine does not run; start it, or ask again when it has started"
    );
    assert_eq!(engine.status().runs, 0);

    engine.start().unwrap();
    assert!(matches!(engine.start(), Err(Error::Service { .. })));
    let answer = engine.ask(&question).unwrap();
    assert_eq!((answer.extent.bars, answer.price), (0, None));
    assert_eq!(answer.values.len(), 18);
    for found in &answer.values {
        assert!(
            matches!(found.value, Err(Missing::NotEnough { given: 0, .. })),
            "{found:?}"
        );
    }
    let nobody = IndicatorQuestion::all(999, Frequency::OneMinute);
    assert!(matches!(engine.ask(&nobody), Err(Error::NotFound { .. })));
    let status = engine.status();
    assert_eq!(
        (status.state, status.runs, status.errors),
        (ServiceState::Running, 2, 0)
    );

    engine.stop();
    assert!(matches!(
        engine.ask(&question),
        Err(Error::NotRunning { .. })
    ));
    assert_eq!(engine.status().state, ServiceState::Stopped);
    engine.start().unwrap();
    db.close();
    assert!(engine.ask(&question).is_err());
    let status = engine.status();
    assert_eq!((status.errors, status.failing_runs), (1, 1));
}

#[test]
fn the_newest_bars_are_read_oldest_first_and_one_for_each_period() {
    on_both(|conn| {
        let now = Timestamp::from_micros(0).unwrap();
        let other = crate::repository::data_source::insert(
            conn,
            &crate::models::NewDataSource::new("other", crate::domain::ProviderType::ALL[0]),
            now,
        );
        let other = other.unwrap().id;
        let bars = [
            bar_at(1, 1, "1"),
            bar_at(2, 1, "2"),
            bar_at(2, other, "2.5"),
            bar_at(3, other, "3.5"),
            bar_at(4, other, "4.5"),
            bar_at(4, 1, "4"),
        ];
        bar::insert_batch(conn, &bars, now).unwrap();
        for (limit, expected) in [
            (9, &[1.0, 2.0, 3.5, 4.0][..]),
            (4, &[1.0, 2.0, 3.5, 4.0]),
            (3, &[2.0, 3.5, 4.0]),
            (1, &[4.0]),
        ] {
            let found = candles::newest(conn, 1, Frequency::OneMinute, None, limit).unwrap();
            let closes: Vec<f64> = found.iter().map(|candle| candle.close).collect();
            assert_eq!(closes, expected, "{limit}");
        }
        let found = candles::newest(conn, 1, Frequency::OneHour, None, 9).unwrap();
        // Nobody stored one: the minutes make it.
        let hours: Vec<(f64, f64)> = found.iter().map(|hour| (hour.open, hour.close)).collect();
        assert_eq!(hours, [(1.0, 4.0)]);
    });
}

#[test]
fn a_window_counts_back_from_the_newest_bar_and_brings_bars_before_it() {
    on_both(|conn| {
        let now = Timestamp::from_micros(0).unwrap();
        // An hour of bars, a night without, half an hour of bars.
        let minutes = (0..60).chain(600..630);
        let bars: Vec<_> = minutes.map(|minute| bar_at(minute, 1, "5")).collect();
        bar::insert_batch(conn, &bars, now).unwrap();
        let read = |conn: &mut BackendConnection<'_>, hours| {
            let window = AnalysisWindow::new(hours, Some(Frequency::OneMinute)).unwrap();
            BarsOfInstrument::read(conn, 1, window).unwrap()
        };
        let hour = read(conn, 1);
        assert_eq!((hour.window().len(), hour.with_warm_up().len()), (30, 90));
        let extent = hour.extent();
        assert_eq!(
            extent.first_at,
            Some(Timestamp::from_micros(600 * MINUTE).unwrap())
        );
        assert_eq!(
            extent.last_at,
            Some(Timestamp::from_micros(629 * MINUTE).unwrap())
        );
        // From 629 minutes back to 30; 29 is no longer in it.
        assert_eq!(read(conn, 10).window().len(), 60);
        assert_eq!(read(conn, 11).window().len(), 90);
    });
}
