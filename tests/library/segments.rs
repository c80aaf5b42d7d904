//! Segments as files: what is written is what others read, bit by bit.
#![cfg(feature = "archive")]

use std::fmt::Write;
use std::fs::{self, File};
use std::process::Command;

use tickbase::Timestamp;
use tickbase::segment::{Segment, SegmentTick, SegmentWriter, WantedColumns};

/// A command that is given a segment and its rows as text, and fails when it reads others; see
/// `scripts/test-clients/segments`.
const READER: &str = "TICKBASE_SEGMENT_READER";

/// Values at the edges of what floating-point numbers can be, and prices as feeds have them.
const EDGES: [f64; 8] = [
    0.0,
    -0.0,
    5e-324,
    -2.225_073_858_507_201e-308,
    f64::MAX,
    f64::MIN,
    0.1,
    1_640.25,
];

fn ticks() -> Vec<SegmentTick> {
    let tick = |n: i64| {
        let value = |at: usize| match (n as usize + at) % 11 {
            edge if edge < EDGES.len() => Some(EDGES[edge]),
            8 => Some(((n * 7 + at as i64) % 997) as f64 / 4.0),
            _ => None,
        };
        SegmentTick {
            // Three of a moment, from before 1970 to far ahead.
            timestamp: Timestamp::from_micros(-86_400_000_000 + n / 3 * 1_234_567).unwrap(),
            source_id: [1, 30, 30][(n % 3) as usize],
            sequence: n,
            values: std::array::from_fn(value),
        }
    };
    (0..100_000).map(tick).collect()
}

/// Each row as others are to read it: moment, source, sequence, and the bits of the values.
fn text(ticks: &[SegmentTick]) -> String {
    let mut text = String::new();
    for tick in ticks {
        let source = if tick.source_id == 1 {
            "tickbase"
        } else {
            "Zürich"
        };
        write!(
            text,
            "{},{source},{}",
            tick.timestamp.micros(),
            tick.sequence
        )
        .unwrap();
        for value in tick.values {
            match value {
                Some(value) => write!(text, ",{:016x}", value.to_bits()).unwrap(),
                None => text.push(','),
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn a_file_is_read_as_it_was_written_by_us_and_by_others() {
    let place = tempfile::tempdir().unwrap();
    let (path, rows) = (
        place.path().join("ticks.parquet"),
        place.path().join("rows.csv"),
    );
    let ticks = ticks();
    let sources = [(1, "tickbase".to_owned()), (30, "Zürich".to_owned())];
    let mut writer = SegmentWriter::new(3, "EUR/USD", sources).unwrap();
    ticks.iter().for_each(|tick| writer.push(*tick).unwrap());
    fs::write(&path, writer.finish().unwrap().bytes).unwrap();
    fs::write(&rows, text(&ticks)).unwrap();

    let mut file = File::open(&path).unwrap();
    let segment = Segment::open(&mut file).unwrap();
    assert_eq!(
        (segment.instrument_id(), segment.rows()),
        (3, ticks.len() as u64)
    );
    let mut found = Vec::new();
    let all = (Timestamp::MIN, Timestamp::MAX);
    for group in segment.rows_of(&mut file, all, WantedColumns::ALL) {
        let group = group.unwrap();
        found.extend((0..group.len()).map(|row| group.tick(row).unwrap()));
    }
    assert!(text(&found) == text(&ticks), "we read other ticks");
    let key = ticks[45_678].key();
    assert_eq!(
        segment.find(&mut file, &[key]).unwrap(),
        [Some(ticks[45_678])]
    );

    let Some(reader) = std::env::var_os(READER) else {
        eprintln!("not read by others: {READER} names no command");
        return;
    };
    let reader = reader.into_string().unwrap();
    let mut words = reader.split(' ');
    let mut command = Command::new(words.next().unwrap());
    let done = command.args(words).args([&path, &rows]).status().unwrap();
    assert!(done.success());
}
