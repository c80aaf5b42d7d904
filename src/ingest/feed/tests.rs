//! Whole feeds, good and bad.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::domain::bar::{Bar, Frequency};
use crate::domain::tick::Tick;
use crate::ingest::{ColumnMap, pump};

const TARGET: FeedTarget = FeedTarget {
    instrument_id: 7,
    source_id: 1,
    frequency: Some(Frequency::OneMinute),
};

fn options(columns: &str, stamps: &str) -> FeedOptions {
    FeedOptions {
        columns: if columns.is_empty() {
            ColumnMap::default()
        } else {
            columns.parse().unwrap()
        },
        timestamp_format: stamps.parse().unwrap(),
        ..FeedOptions::default()
    }
}

fn open<T: FeedRecord>(text: impl AsRef<[u8]>, options: &FeedOptions) -> Result<Feed> {
    let bytes = Cursor::new(text.as_ref().to_vec());
    Feed::open::<T>(Input::from_reader("feed.csv", bytes)?, options)
}

fn read<T: FeedRecord>(text: impl AsRef<[u8]>, options: &FeedOptions) -> Result<FeedBatch<T>> {
    let mut feed = open::<T>(text, options)?;
    let mut all = FeedBatch::default();
    pump(&mut feed, &TARGET, |batch: FeedBatch<T>| {
        all.rows.extend(batch.rows);
        all.lines.extend(batch.lines);
        all.rejected.extend(batch.rejected);
        all.stamps_cut += batch.stamps_cut;
        Ok(())
    })?;
    Ok(all)
}

fn ticks(text: impl AsRef<[u8]>) -> FeedBatch<Tick> {
    read(text, &FeedOptions::default()).unwrap()
}

fn refusal(text: impl AsRef<[u8]>) -> String {
    read::<Tick>(text, &FeedOptions::default())
        .unwrap_err()
        .to_string()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

const TRADES: &str = "DateTime,Price,Volume
2013-09-01 17:00:00.083,1640.25,8
2013-09-01 17:00:00.083,1640.25,1
2013-09-01 17:00:00.084,1640.5,2
2013-09-01 17:00:00.083,1640.25,1
";

#[test]
fn trades_are_numbered_within_their_stamp_over_the_whole_file() {
    let batch = ticks(TRADES);
    let sequences: Vec<_> = batch.rows.iter().map(Tick::sequence).collect();
    assert_eq!(sequences, [Some(0), Some(1), Some(0), Some(2)]);
    assert_eq!(batch.lines, [2, 3, 4, 5]);
    assert_eq!(batch.rejected, []);
    assert_eq!(batch.rows[2].price(), Some(1640.5));
    assert_eq!(batch.rows[2].instrument_id(), 7);
}

#[test]
fn every_dress_of_the_same_file_reads_the_same() {
    let plain = ticks(TRADES);
    let (header, rows) = TRADES.split_once('\n').unwrap();
    let halves = [
        gzip(header.as_bytes()),
        gzip(format!("\n{rows}").as_bytes()),
    ]
    .concat();
    let ndjson: String = rows
        .lines()
        .map(|row| row.split(',').collect::<Vec<_>>())
        .map(|row| {
            format!(
                "{{\"ts\":\"{}\",\"price\":{},\"size\":\"{}\"}}\n",
                row[0], row[1], row[2]
            )
        })
        .collect();
    let dresses: Vec<Vec<u8>> = vec![
        TRADES.replace('\n', "\r\n").into_bytes(),
        format!("\u{feff}{TRADES}").into_bytes(),
        TRADES.trim_end().into(),
        TRADES.replace(',', "\t").into_bytes(),
        TRADES.replace(',', ";").into_bytes(),
        TRADES.replace(',', "|").into_bytes(),
        TRADES
            .replace("Price", "\"price\"")
            .replace("1640.5", "\"1640.5\"")
            .into_bytes(),
        TRADES
            .replace('\n', ",\n")
            .replace("Volume,", "Volume")
            .into_bytes(),
        gzip(TRADES.as_bytes()),
        halves,
    ];
    for dress in dresses {
        assert_eq!(ticks(&dress), plain, "{}", String::from_utf8_lossy(&dress));
    }
    assert_eq!(ticks(ndjson).rows, plain.rows);
}

#[test]
fn files_without_a_header_are_mapped_by_position() {
    let text = "20200101 170000065,1.5,1.25,0\n20200101 170010447,1.5,1.75,0\n";
    let map = "timestamp=1,bid=2,ask=3,volume=4";
    for stamps in ["auto", "%Y%m%d %H%M%S%3f"] {
        let batch = read::<Tick>(text, &options(map, stamps)).unwrap();
        assert_eq!(batch.lines, [1, 2]);
        assert_eq!(
            batch.rows[0].timestamp().to_string(),
            "2020-01-01T17:00:00.065000Z"
        );
        assert_eq!(
            (batch.rows[1].bid(), batch.rows[1].ask()),
            (Some(1.5), Some(1.75))
        );
    }
    assert!(refusal(text).contains("there is no header"));
}

#[test]
fn a_date_and_a_time_column_are_joined() {
    for text in [
        "Date,Time,Price\n2013-09-01,17:00:00.083,1\n",
        "Date,Time,Price\n20130901,17:00:00.083,1\n",
        "Date,Time,Price\n1 Sep 2013,17:00:00.083,1\n",
    ] {
        let batch = ticks(text);
        assert_eq!(
            batch.rows[0].timestamp().to_string(),
            "2013-09-01T17:00:00.083000Z",
            "{text}"
        );
    }
}

#[test]
fn a_sequence_column_is_the_sequence() {
    let batch = ticks("time,price,trade_id\n2013-09-01,1,77\n2013-09-01,1,x\n2013-09-01,1,\n");
    assert_eq!(batch.rows[0].sequence(), Some(77));
    let reasons: Vec<_> = batch
        .rejected
        .iter()
        .map(|r| (r.line, r.reason.as_str()))
        .collect();
    assert!(
        reasons[0].0 == 3 && reasons[0].1.contains("\"x\" is not a whole number"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].0 == 4 && reasons[1].1.contains("sequence: it is missing"),
        "{reasons:?}"
    );
}

#[test]
fn rows_that_break_a_rule_are_returned_with_line_and_reason() {
    let batch = ticks(
        "time,price,volume\n\
         99999-01-01 00:00:00,1,1\n\
         2013-09-01,NaN,1\n\
         \n\
         2013-09-01,inf,1\n\
         2013-09-01,1,-5\n\
         2013-09-01,,\n\
         2013-09-01,1\n\
         2013-09-01,1,1,1\n\
         2013-09-01,\"1,1\n\
         2013-09-01,1.5.5,1\n\
         ,1,1\n\
         2013-09-01,-37.63,0\n",
    );
    assert_eq!((batch.rows.len(), batch.lines.as_slice()), (1, &[13][..]));
    let expected = [
        (
            2,
            "\"99999-01-01 00:00:00\" has a year of more than four digits",
        ),
        (3, "price: NaN is not a finite number"),
        (5, "price: inf is not a finite number"),
        (6, "volume: -5 is negative"),
        (7, "no value at all"),
        (8, "has 2 fields, not 3"),
        (9, "has 4 fields, not 3"),
        (10, "quote that is not closed"),
        (11, "price: \"1.5.5\" is not a number"),
        (12, "timestamp: it is missing"),
    ];
    assert_eq!(batch.rejected.len(), expected.len());
    for (rejection, (line, why)) in batch.rejected.iter().zip(expected) {
        assert_eq!(rejection.line, line);
        assert!(rejection.reason.contains(why), "{rejection:?}");
    }
}

#[test]
fn a_rejected_row_still_counts_in_its_stamp() {
    let broken = ticks("time,price\n2013-09-01,1\n2013-09-01,x\n2013-09-01,3\n");
    let mended = ticks("time,price\n2013-09-01,1\n2013-09-01,2\n2013-09-01,3\n");
    assert_eq!(broken.rows[1], mended.rows[2]);
}

#[test]
fn a_line_of_ten_megabytes_costs_one_row() {
    let long = "x".repeat(10 << 20);
    let batch = ticks(format!("time,price\n2013-09-01,1\n{long}\n2013-09-02,2\n"));
    assert_eq!(batch.lines, [2, 4]);
    assert_eq!(batch.rejected[0].line, 3);
    assert!(
        batch.rejected[0]
            .reason
            .contains("longer than 1048576 bytes")
    );
    assert!(refusal(long).contains("is not a CSV"));
}

#[test]
fn what_is_no_feed_is_refused_with_the_reason() {
    for (text, why) in [
        (&b""[..], "is empty"),
        (b"\n\n\n", "has no text"),
        (b"\xef\xbb\xbf", "has no text"),
        (b"hello\n", "not a CSV"),
        (b"\x00\x01\x02\x03,\n", "is not a CSV: binary data"),
        (b"PK\x03\x04....", "zip archive"),
        (b"\xff\xfet\0i\0m\0e\0", "UTF-16"),
        (b"caf\xe9,price\n", "no UTF-8"),
        (b"a,b\n1,2\n", "no timestamp column"),
        (b"time,b\n1,2\n", "no column of a price"),
        (b"time,Price,price\n", "twice"),
        (b"{\"a\":1}\n", "no timestamp column"),
        (b"{\"a\":1\n", "is not a JSON object"),
        (b"[{\"a\":1,\"b\":2}]\n", "JSON array"),
    ] {
        let error = refusal(text);
        assert!(
            error.contains(why) && error.starts_with("feed.csv: "),
            "{error}"
        );
    }
    let error = read::<Tick>(TRADES, &options("timestamp=When,price=Price", "auto")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the file has DateTime, Price, Volume"),
        "{error}"
    );
}

#[test]
fn a_gzip_file_that_was_cut_names_the_line_reached() {
    let text: String = (0..2_000).fold(TRADES.to_owned(), |text, n| {
        text + &format!(
            "2013-09-01 17:00:{:02}.{:03},{},1\n",
            n % 60,
            n % 977,
            n * 7919 % 3001
        )
    });
    let whole = gzip(text.as_bytes());
    for cut in [whole.len() - 4, whole.len() / 2] {
        let error = refusal(&whole[..cut]);
        assert!(error.contains("ends too early, after line "), "{error}");
    }
    let error = refusal(&whole[..5]);
    assert!(error.contains("ends too early, after line 0"), "{error}");
    let mut damaged = whole.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    assert!(refusal(&damaged).contains("damaged after line 2005"));
}

#[test]
fn digits_finer_than_a_microsecond_are_counted() {
    let batch = ticks("time,price\n2013-09-01 00:00:00.0000001,1\n2013-09-01 00:00:00.1,1\n");
    assert_eq!((batch.rows.len(), batch.stamps_cut), (2, 1));
}

#[test]
fn bars_keep_every_digit() {
    let text = "date,open,high,low,close,volume\n\
                2022-05-18 16:00:00+00:00,256.8800048828125,257.0799865722656,256.8599853515625,257.0350036621094,36494.0\n\
                2022-05-18 12:01:00-04:00,1,0,1,1,1\n";
    let batch = read::<Bar>(text, &FeedOptions::default()).unwrap();
    assert_eq!(batch.rows[0].open(), 256.880_004_882_812_5);
    assert_eq!(batch.rows[0].frequency(), Frequency::OneMinute);
    assert_eq!(batch.rows[0].volume(), 36494.0);
    assert!(
        batch.rejected[0].reason.contains("high: 0 is below"),
        "{:?}",
        batch.rejected
    );
    let error = read::<Bar>(TRADES, &FeedOptions::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no open column"), "{error}");
}

#[test]
fn batches_are_bounded_and_an_error_of_the_store_ends_the_reading() {
    let mut text = String::from("time,price\n");
    for n in 0..BATCH_ROWS_MAX * 5 {
        text += if n % 3 == 0 {
            "bad,1\n"
        } else {
            "2013-09-01,1\n"
        };
    }
    let mut feed = open::<Tick>(&text, &FeedOptions::default()).unwrap();
    let mut batches = 0;
    let result = pump(&mut feed, &TARGET, |batch: FeedBatch<Tick>| {
        assert_eq!(batch.rows.len() + batch.rejected.len(), BATCH_ROWS_MAX);
        batches += 1;
        if batches == 2 {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    });
    assert!(matches!(result, Err(Error::Closed)));
    assert_eq!(batches, 2);
}

/// The keys and prices of ticks, in their order.
fn keys(text: &str, options: &FeedOptions) -> Vec<(i64, Option<i64>, Option<f64>)> {
    let batch = read::<Tick>(text, options).unwrap();
    let mut keys: Vec<_> = batch
        .rows
        .iter()
        .map(|tick| (tick.timestamp().micros(), tick.sequence(), tick.price()))
        .collect();
    keys.sort_by(|a, b| a.partial_cmp(b).unwrap());
    keys
}

#[test]
fn a_long_file_that_runs_downwards_is_numbered_upwards_from_any_input() {
    let rows: Vec<String> = (0..5_000)
        .map(|row| {
            format!(
                "2024-01-02T00:{:02}:{:02}Z,{row}",
                row / 200,
                row % 200 / 20
            )
        })
        .collect();
    let up = format!("time,price\n{}\n", rows.join("\n"));
    let down: Vec<&str> = rows.iter().rev().map(String::as_str).collect();
    let down = format!("time,price\n{}\n", down.join("\n"));
    let options = FeedOptions::default();
    assert_eq!(keys(&down, &options), keys(&up, &options));
    assert_eq!(keys(&up, &options)[19].1, Some(19));
    let feed = open::<Tick>(gzip(down.as_bytes()), &options).unwrap();
    assert!(feed.reading().newest_first);
    assert!(!open::<Tick>(up, &options).unwrap().reading().newest_first);
}

#[test]
fn a_file_whose_first_rows_have_no_stamp_is_refused() {
    let error = refusal("time,price\nnever,1\nsoon,2\n");
    assert!(error.contains("line 2: timestamp: \"never\""), "{error}");
}

#[test]
fn a_feed_is_read_again_from_its_first_row() {
    for rows in [10, 5_000] {
        let text: String = (0..rows).fold("time,price\n".to_owned(), |text, row| {
            text + &format!("2024-01-02T00:00:00.{row:06}Z,{row}\n")
        });
        let mut feed = open::<Tick>(&text, &FeedOptions::default()).unwrap();
        feed.keep().unwrap();
        for _ in 0..2 {
            let mut again = feed.again().unwrap();
            let mut read = Vec::new();
            while let Some(batch) = again.next_batch::<Tick>(&TARGET).unwrap() {
                read.extend(batch.lines);
            }
            assert_eq!(
                (read.len(), read.first(), read.last()),
                (rows, Some(&2), Some(&(rows as u64 + 1)))
            );
        }
    }
}

proptest! {
    #[test]
    fn both_directions_of_a_file_give_the_same_keys(
        steps in proptest::collection::vec(0i64..3, 2..60),
    ) {
        let mut at = 0;
        let rows: Vec<String> = steps
            .iter()
            .enumerate()
            .map(|(price, step)| {
                at += step;
                format!("2024-01-02T00:00:{at:02}Z,{price}", at = at % 60)
            })
            .collect();
        // A file of one stamp has no direction.
        prop_assume!(at > steps[0] && at < 60);
        let text = |rows: &[String]| format!("time,price\n{}\n", rows.join("\n"));
        let reversed: Vec<String> = rows.iter().rev().cloned().collect();
        let options = FeedOptions::default();
        prop_assert_eq!(keys(&text(&reversed), &options), keys(&text(&rows), &options));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = read::<Tick>(&bytes, &FeedOptions::default());
        let _ = read::<Bar>(&bytes, &FeedOptions::default());
    }

    #[test]
    fn arbitrary_rows_are_read_or_rejected_but_never_lost(
        rows in proptest::collection::vec("[0-9a-z,.\" :-]{1,20}", 0..20)
    ) {
        let text = format!("time,price,volume\n{}\n", rows.join("\n"));
        // A file is refused when none of its first rows has a stamp, or its numbers need an option.
        if let Ok(batch) = read::<Tick>(text, &FeedOptions::default()) {
            let expected = rows.iter().filter(|row| !row.trim().is_empty()).count();
            prop_assert_eq!(batch.rows.len() + batch.rejected.len(), expected);
        }
    }

    #[test]
    fn gzip_that_is_cut_or_flipped_never_panics(cut in 0usize..80, at in 0usize..80, bit in 0u8..8) {
        let mut bytes = gzip(TRADES.as_bytes());
        bytes.truncate(cut.max(1));
        let last = bytes.len() - 1;
        bytes[at.min(last)] ^= 1 << bit;
        let _ = read::<Tick>(&bytes, &FeedOptions::default());
    }
}
