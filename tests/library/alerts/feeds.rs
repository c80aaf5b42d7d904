//! Real trades: live in batches, imported in one transaction and in many. All fire the same, and
//! what the plain definition demands of the stored ticks.

use std::path::Path;
use std::sync::Arc;

use tickbase::domain::Symbol;
use tickbase::domain::tick::Tick;
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Import, ImportCommit, Input, import};
use tickbase::models::AlertRule;

use crate::alerts::place::{Key, Place, demanded, of_every_type};
use crate::sample::first_trades;
use crate::support::chaos::scaled;
use crate::support::{TestDatabase, on_both};

/// Trades that the suite takes: the plain definition looks back from each.
const TRADES: usize = 5_000;

fn with_rules(db: &TestDatabase) -> (Place, Vec<AlertRule>) {
    let place = Place::open(db);
    let rules = of_every_type()
        .into_iter()
        .map(|rule| place.add(rule))
        .collect();
    (place, rules)
}

fn sample(trades: &Path) -> Vec<Tick> {
    let mut feed = Feed::open::<Tick>(
        Input::open(trades.to_str().unwrap()).unwrap(),
        &FeedOptions::default(),
    )
    .unwrap();
    let target = FeedTarget {
        instrument_id: 1,
        source_id: 1,
        frequency: None,
    };
    let mut ticks = Vec::new();
    while let Some(batch) = feed.next_batch::<Tick>(&target).unwrap() {
        ticks.extend(batch.rows);
    }
    ticks
}

fn imported(db: &TestDatabase, trades: &Path, commit: ImportCommit) -> Vec<Key> {
    let (place, rules) = with_rules(db);
    let plan = Import {
        commit,
        ..Import::ticks(Symbol::new("ES").unwrap())
    };
    let files = vec![trades.to_str().unwrap().to_owned()];
    let report = import(&place.db, files.clone(), &plan, Arc::new(|_| {})).unwrap();
    assert_eq!(report.inserted, scaled(TRADES, 20_009) as u64);
    let fired = place.fired();
    assert_eq!(fired, demanded(&rules, &place.stored(1)));
    // Once more: nothing is stored, so nothing fires.
    import(&place.db, files.clone(), &plan, Arc::new(|_| {})).unwrap();
    assert_eq!(place.fired(), fired);
    fired
}

on_both! {
    fn a_file_fires_the_same_whether_committed_once_or_batch_by_batch(db: &TestDatabase) {
        let other = db.empty_sibling();
        let trades = first_trades(TRADES);
        let once = imported(db, trades.path(), ImportCommit::Once);
        assert!(once.len() > TRADES / 40, "{}", once.len());
        assert_eq!(imported(&other, trades.path(), ImportCommit::EachBatch), once);
    }

    fn live_trades_fire_what_a_replay_of_the_stored_ones_demands(db: &TestDatabase) {
        let (mut place, rules) = with_rules(db);
        let trades = first_trades(TRADES);
        let ticks = sample(trades.path());
        for (number, batch) in ticks.chunks(389).enumerate() {
            if number % 17 == 16 {
                place.db.close();
                drop(place);
                place = Place::open(db);
            }
            assert_eq!(place.insert(batch.to_vec()).inserted, batch.len());
        }
        assert_eq!(place.fired(), demanded(&rules, &place.stored(1)));
    }
}
