//! Real feeds through the parsing layer: what is read equals what other tools compute from the
//! same files. The shipped excerpt always runs; the whole files run where they stand.

use std::path::Path;

use tickbase::domain::bar::{Bar, Frequency};
use tickbase::domain::tick::Tick;
use tickbase::ingest::{Feed, FeedOptions, FeedRecord, FeedTarget, Input, pump};

const TARGET: FeedTarget = FeedTarget {
    instrument_id: 1,
    source_id: 1,
    frequency: Some(Frequency::OneMinute),
};

/// The path of a file of real data, where it stands: in `TICKBASE_REAL_DATA`, or beside the
/// project.
fn real(file: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TICKBASE_REAL_DATA").map_or(beside, Into::into);
    let path = folder.join(file);
    path.exists().then(|| path.to_string_lossy().into_owned())
}

fn read<T: FeedRecord>(path: &str, options: &FeedOptions) -> (Vec<T>, usize) {
    let mut feed = Feed::open::<T>(Input::open(path).unwrap(), options).unwrap();
    let (mut rows, mut rejected) = (Vec::new(), 0);
    pump(&mut feed, &TARGET, |batch| {
        rows.extend(batch.rows);
        rejected += batch.rejected.len();
        Ok(())
    })
    .unwrap();
    (rows, rejected)
}

fn distinct_keys(ticks: &[Tick]) -> usize {
    let mut keys: Vec<_> = ticks
        .iter()
        .map(|tick| (tick.timestamp(), tick.sequence()))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

#[test]
fn the_shipped_excerpt_reads_as_its_readme_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");
    let (ticks, rejected) = read::<Tick>(path, &FeedOptions::default());
    assert_eq!(
        (ticks.len(), rejected, distinct_keys(&ticks)),
        (20_009, 0, 20_009)
    );
    let stamps = ticks
        .iter()
        .filter(|tick| tick.sequence() == Some(0))
        .count();
    assert_eq!(stamps, 3_058);
    assert_eq!(ticks.iter().filter_map(Tick::volume).sum::<f64>(), 89_406.0);
    assert_eq!(
        ticks.iter().filter_map(Tick::price).sum::<f64>(),
        32_811_739.0
    );
    assert_eq!(
        ticks[0].timestamp().to_string(),
        "2013-09-03T10:23:00.074000Z"
    );
}

#[test]
fn the_whole_trades_file_keeps_every_trade_apart() {
    let Some(path) = real("es-trades-2013-09.csv.gz") else {
        return;
    };
    let (ticks, rejected) = read::<Tick>(&path, &FeedOptions::default());
    assert_eq!(
        (ticks.len(), rejected, distinct_keys(&ticks)),
        (500_000, 0, 500_000)
    );
    let stamps = ticks
        .iter()
        .filter(|tick| tick.sequence() == Some(0))
        .count();
    assert_eq!(stamps, 84_568);
    assert_eq!(ticks.iter().filter_map(Tick::sequence).max(), Some(377));
}

#[test]
fn the_quotes_without_a_header_are_mapped_by_position() {
    let Some(path) = real("eurusd-quotes-2020-01.csv.gz") else {
        return;
    };
    for stamps in ["auto", "%Y%m%d %H%M%S%3f"] {
        let options = FeedOptions {
            columns: "timestamp=1,bid=2,ask=3,volume=4".parse().unwrap(),
            timestamp_format: stamps.parse().unwrap(),
            ..FeedOptions::default()
        };
        let (ticks, rejected) = read::<Tick>(&path, &options);
        assert_eq!((ticks.len(), rejected), (9_500, 0));
        assert_eq!(
            ticks[0].timestamp().to_string(),
            "2020-01-01T17:00:00.065000Z"
        );
        assert_eq!(
            (ticks[0].bid(), ticks[0].ask()),
            (Some(1.1212), Some(1.12172))
        );
    }
}

#[test]
fn minute_and_daily_bars_are_read_exactly() {
    for (file, rows, first) in [
        (
            "msft-1min-2022.csv.gz",
            7_440,
            "2022-05-18T16:00:00.000000Z",
        ),
        (
            "sp500-daily-1999-2018.csv.gz",
            5_031,
            "1999-01-04T00:00:00.000000Z",
        ),
    ] {
        let Some(path) = real(file) else { continue };
        let (bars, rejected) = read::<Bar>(&path, &FeedOptions::default());
        assert_eq!((bars.len(), rejected), (rows, 0), "{file}");
        assert_eq!(bars[0].timestamp().to_string(), first);
    }
}
