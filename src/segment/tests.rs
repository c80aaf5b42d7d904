//! What is written is what is read, whole, by time and by key; and the same ticks give the same bytes.

use proptest::prelude::*;

use super::*;
use crate::error::Error;

const SOURCES: [(i64, &str); 3] = [(1, "tickbase"), (7, "Zürich \"x\""), (30, "a")];

fn sources() -> impl Iterator<Item = (i64, String)> {
    SOURCES.into_iter().map(|(id, name)| (id, name.to_owned()))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn write(ticks: &[SegmentTick], sizes: (usize, usize)) -> WrittenSegment {
    let mut writer = SegmentWriter::with_sizes(5, "EUR/USD", sources(), sizes).unwrap();
    for tick in ticks {
        writer.push(*tick).unwrap();
    }
    writer.finish().unwrap()
}

fn open(written: &WrittenSegment) -> (Segment, Bytes) {
    let mut bytes = Bytes::from(written.bytes.clone());
    (Segment::open(&mut bytes).unwrap(), bytes)
}

fn read(segment: &Segment, bytes: &mut Bytes, range: (i64, i64)) -> Vec<SegmentTick> {
    let range = (at(range.0), at(range.1));
    let mut all = Vec::new();
    for rows in segment.rows_of(bytes, range, WantedColumns::ALL) {
        let rows = rows.unwrap();
        all.extend((0..rows.len()).map(|row| rows.tick(row).unwrap()));
    }
    all
}

/// A tick with the bits of its values, for floating-point numbers are not equal to themselves all.
fn bits(tick: &SegmentTick) -> (SegmentKey, [Option<u64>; 9]) {
    (tick.key(), tick.values.map(|value| value.map(f64::to_bits)))
}

fn all_bits(ticks: &[SegmentTick]) -> Vec<(SegmentKey, [Option<u64>; 9])> {
    ticks.iter().map(bits).collect()
}

/// Prices as feeds have them, and any other bits.
fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        3 => Just(None),
        3 => (-4_000_i64..4_000).prop_map(|cents| Some(cents as f64 / 4.0)),
        1 => any::<u64>().prop_map(|bits| Some(f64::from_bits(bits))),
    ]
}

/// Ticks in the order of their keys: moments that are shared, and far apart.
fn ticks(most: usize) -> impl Strategy<Value = Vec<SegmentTick>> {
    let step = prop_oneof![4 => 0_i64..3, 1 => 0_i64..50_000_000];
    let source = prop_oneof![4 => Just(1_i64), 1 => Just(7_i64), 1 => Just(30_i64)];
    let sequence = prop_oneof![4 => 0_i64..4, 1 => any::<i64>()];
    let values = proptest::array::uniform9(value());
    let tick = (step, source, sequence, values);
    let first = -5_000_000_000_000_000_i64..5_000_000_000_000_000;
    (first, proptest::collection::vec(tick, 0..most)).prop_map(|(first, rows)| {
        let mut moment = first;
        let ticks = rows.into_iter().map(|(step, source_id, sequence, values)| {
            moment += step;
            SegmentTick {
                timestamp: at(moment),
                source_id,
                sequence,
                values,
            }
        });
        let mut ticks: Vec<SegmentTick> = ticks.collect();
        ticks.sort_by_key(SegmentTick::key);
        ticks.dedup_by_key(|tick| tick.key());
        ticks
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_what_is_read(ticks in ticks(300), group in 1_usize..100, page in 1_usize..40) {
        let written = write(&ticks, (group, page));
        prop_assert_eq!(&written, &write(&ticks, (group, page)));
        prop_assert_eq!(written.rows, ticks.len() as u64);
        let ends = ticks.first().map(SegmentTick::key).zip(ticks.last().map(SegmentTick::key));
        prop_assert_eq!(written.keys, ends);
        let (segment, mut bytes) = open(&written);
        prop_assert_eq!((segment.instrument_id(), segment.rows()), (5, written.rows));
        let whole = (Timestamp::MIN.micros(), Timestamp::MAX.micros());
        let found = read(&segment, &mut bytes, whole);
        prop_assert_eq!(all_bits(&found), all_bits(&ticks));
    }

    #[test]
    fn a_range_is_read_as_the_whole_is_cut(
        ticks in ticks(300), group in 1_usize..100, page in 1_usize..40,
        ends in prop::collection::vec((any::<prop::sample::Index>(), -2_i64..3), 8),
    ) {
        let (segment, mut bytes) = open(&write(&ticks, (group, page)));
        let moment = |(index, off): &(prop::sample::Index, i64)| {
            let of = if ticks.is_empty() { 0 } else { index.get(&ticks).timestamp.micros() };
            of + off
        };
        for pair in ends.chunks(2) {
            let (first, last) = (moment(&pair[0]), moment(&pair[1]));
            let found = read(&segment, &mut bytes, (first, last));
            let within = |tick: &&SegmentTick| (first..=last).contains(&tick.timestamp.micros());
            let expected: Vec<SegmentTick> = ticks.iter().filter(within).copied().collect();
            prop_assert_eq!(all_bits(&found), all_bits(&expected));
        }
    }

    #[test]
    fn keys_are_found_and_others_are_not(
        ticks in ticks(300), group in 1_usize..100, page in 1_usize..40,
        wanted in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..3, 0_i64..2), 0..60),
    ) {
        let (segment, mut bytes) = open(&write(&ticks, (group, page)));
        let mut keys: Vec<SegmentKey> = Vec::new();
        for (index, later, next) in wanted {
            if !ticks.is_empty() {
                let (moment, source, sequence) = index.get(&ticks).key();
                keys.push((at(moment.micros() + later), source, sequence.saturating_add(next)));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let found = segment.find(&mut bytes, &keys).unwrap();
        for (key, found) in keys.iter().zip(found) {
            let expected = ticks.iter().find(|tick| tick.key() == *key);
            prop_assert_eq!(found.as_ref().map(bits), expected.map(bits));
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_or_reads_as_something(
        ticks in ticks(60), at_byte in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<bool>(),
    ) {
        let mut written = write(&ticks, (20, 7));
        let place = at_byte.index(written.bytes.len());
        match cut {
            true => written.bytes.truncate(place),
            false => written.bytes[place] ^= 1 << bit,
        }
        let mut bytes = Bytes::from(written.bytes);
        if let Ok(segment) = Segment::open(&mut bytes) {
            let whole = (Timestamp::MIN, Timestamp::MAX);
            for rows in segment.rows_of(&mut bytes, whole, WantedColumns::ALL) {
                let Ok(rows) = rows else { break };
                prop_assert!(rows.len() <= ticks.len());
            }
        }
    }
}

fn trade(micros: i64, source_id: i64, sequence: i64) -> SegmentTick {
    let mut values = [None; 9];
    values[0] = Some(1_640.25);
    SegmentTick {
        timestamp: at(micros),
        source_id,
        sequence,
        values,
    }
}

#[test]
fn ticks_of_one_moment_stay_in_one_group() {
    let ticks: Vec<SegmentTick> = (0..500).map(|n| trade(7, 1, n)).collect();
    let (segment, mut bytes) = open(&write(&ticks, (100, 10)));
    assert_eq!(segment.pages().len(), 1);
    assert!(segment.pages()[0].len() >= 50, "{:?}", segment.pages());
    let keys = [(at(7), 1, 0), (at(7), 1, 333), (at(7), 1, 500)];
    let found = segment.find(&mut bytes, &keys).unwrap();
    assert_eq!(found, [Some(ticks[0]), Some(ticks[333]), None]);
}

#[test]
fn ticks_that_do_not_ascend_or_name_no_source_are_refused() {
    let mut writer = SegmentWriter::new(5, "ES", sources()).unwrap();
    writer.push(trade(10, 7, 3)).unwrap();
    for (tick, reason) in [
        (trade(10, 7, 3), "ascend"),
        (trade(10, 1, 9), "ascend"),
        (trade(9, 7, 9), "ascend"),
        (trade(11, 2, 0), "the source 2 has no name"),
    ] {
        let refused = writer.push(tick).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
    assert_eq!(writer.finish().unwrap().rows, 1);
}

#[test]
fn a_file_of_others_and_of_later_versions_is_refused() {
    let other = Bytes::from_static(b"PAR1 and no more");
    let corrupt = Segment::open(&mut other.clone()).unwrap_err();
    assert!(matches!(corrupt, Error::Corrupt { .. }), "{corrupt}");
    let written = write(&[trade(1, 1, 1)], (10, 10));
    let text = "tickbase.format";
    let place = written
        .bytes
        .windows(text.len())
        .position(|of| of == text.as_bytes());
    let place = place.unwrap() + text.len();
    let mut newer = written.bytes.clone();
    let digit = newer[place..]
        .iter()
        .position(|byte| *byte == b'1')
        .unwrap();
    newer[place + digit] = b'2';
    let refused = Segment::open(&mut Bytes::from(newer))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("a newer tickbase has written it"),
        "{refused}"
    );
}

/// The bytes of a file, and how many of them were read.
struct CountedBytes {
    bytes: Bytes,
    read: u64,
}

impl SegmentBytes for CountedBytes {
    fn length(&self) -> crate::Result<u64> {
        self.bytes.length()
    }

    fn read(&mut self, range: std::ops::Range<u64>) -> crate::Result<Bytes> {
        self.read += range.end - range.start;
        self.bytes.read(range)
    }
}

#[test]
fn one_key_or_a_minute_takes_a_few_pages_of_the_file() {
    let price = |n: i64| Some((n.wrapping_mul(6_364_136_223_846_793_005) >> 52) as f64);
    let ticks = (0..100_000).map(|n| {
        let mut tick = trade(n * 1_000_000, 1, n);
        for (at, value) in tick.values.iter_mut().take(3).enumerate() {
            *value = price(n + at as i64);
        }
        tick
    });
    let ticks: Vec<SegmentTick> = ticks.collect();
    let written = write(&ticks, (30_000, 4_000));
    let mut bytes = CountedBytes {
        bytes: Bytes::from(written.bytes),
        read: 0,
    };
    let segment = Segment::open(&mut bytes).unwrap();
    let length = bytes.length().unwrap();
    let share = |bytes: &mut CountedBytes| {
        let share = bytes.read as f64 / length as f64;
        bytes.read = 0;
        share
    };
    assert!(share(&mut bytes) < 0.2);
    let key = ticks[62_500].key();
    assert_eq!(
        segment.find(&mut bytes, &[key]).unwrap(),
        [Some(ticks[62_500])]
    );
    let of_key = share(&mut bytes);
    assert!(of_key < 0.15, "{of_key}");
    let minute = (at(40_000 * 1_000_000), at(40_059 * 1_000_000));
    let wanted = WantedColumns {
        keys: false,
        values: [true, false, false, false, false, false, false, false, false],
    };
    let rows: Vec<SegmentRows> = segment
        .rows_of(&mut bytes, minute, wanted)
        .collect::<Result<_>>()
        .unwrap();
    assert_eq!(rows.iter().map(SegmentRows::len).sum::<usize>(), 60);
    assert_eq!(rows[0].values[0][3], ticks[40_003].values[0]);
    let of_minute = share(&mut bytes);
    assert!(of_minute < 0.05, "{of_minute}");
}
