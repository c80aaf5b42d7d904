//! The newest bars of an instrument whose bars are built: the last ones of all, also where built
//! bars have gone stale and where bars came in.

use crate::bar_series::world::{MINUTE, World, at, open};
use crate::support::{insert_bars, on_both};

use tickbase::database::Database;
use tickbase::domain::{Bar, Frequency, RawBar};
use tickbase::services::historical_data::{BarHistory, BarQuery, bars};

fn asked(db: &Database, query: &BarQuery) -> BarHistory {
    db.read("test.bars", |conn| bars(conn, query)).unwrap()
}

fn assert_newest_are_the_last_of_all(db: &Database, id: i64) {
    for frequency in Frequency::ALL {
        let query = BarQuery::all(id, frequency);
        let whole = asked(db, &query).bars;
        for count in [1, 2, 3, 10, 60, 130, whole.len(), whole.len() + 1] {
            let max_records = Some(count);
            let newest = asked(
                db,
                &BarQuery {
                    max_records,
                    ..query
                },
            );
            let expected = &whole[whole.len().saturating_sub(count)..];
            assert_eq!(newest.bars, expected, "{frequency}, {count}");
            assert_eq!(newest.has_more, count < whole.len(), "{frequency}, {count}");
        }
    }
}

/// A minute bar of the default source, whose id is less than that of built bars.
fn imported(instrument_id: i64, seconds: i64) -> Bar {
    let price = || Some(7.0);
    let raw = RawBar {
        instrument_id,
        timestamp: at(seconds),
        frequency: Frequency::OneMinute,
        source_id: None,
        open: price(),
        high: price(),
        low: price(),
        close: price(),
        volume: Some(1.0),
        open_interest: None,
    };
    Bar::try_from(raw).unwrap()
}

on_both! {
    fn the_newest_of_built_bars_are_the_last_of_all(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        let minutes = (0..400).filter(|n| n % 7 != 3);
        let seconds: Vec<i64> = minutes.map(|n| n * MINUTE).collect();
        world.insert(&seconds);
        for frequency in [Frequency::OneMinute, Frequency::FiveMinutes, Frequency::OneHour] {
            world.build(frequency);
        }
        assert_newest_are_the_last_of_all(&db, world.id);
        // Most of the newest built bars have no ticks any more, and nobody has repaired them.
        let range = world.range(250 * MINUTE, 410 * MINUTE);
        world.ticks().soft_delete_range(range).unwrap();
        assert!(world.stale(Frequency::OneMinute).len() > 100);
        assert_newest_are_the_last_of_all(&db, world.id);
        let came_in = [5, 300, 390, 5_000].map(|minute| imported(world.id, minute * MINUTE));
        let report = insert_bars(&db, &came_in).unwrap();
        assert_eq!(report.inserted, came_in.len());
        assert_newest_are_the_last_of_all(&db, world.id);
    }
}
