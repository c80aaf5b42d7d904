//! One batch in each form, and everything that is none.

use proptest::prelude::*;

use super::*;
use crate::timestamp::Timestamp;

const ROWS_MAX: usize = 10;

fn read(format: PostedFormat, text: &str) -> PostedBatch {
    PostedBatch::read(text.as_bytes(), format, ROWS_MAX).unwrap()
}

fn refused(format: PostedFormat, text: &str) -> String {
    let refusal = PostedBatch::read(text.as_bytes(), format, ROWS_MAX);
    refusal.unwrap_err().to_string()
}

const JSON: &str = r#"[
    {"symbol":"es","timestamp":"2013-09-01T17:00:00.083Z","price":1640.25,"volume":8},
    {"instrument_id":2,"timestamp":1378054800083,"sequence":7,"source_id":3,"bid":1,"ask":2}
]"#;
const NDJSON: &str = r#"
{"symbol":"es","timestamp":"2013-09-01T17:00:00.083Z","price":"1640.25","volume":8}

{"instrument_id":2.0,"ts":1378054800083,"seq":"7","source_id":3,"bid":"1","ask":2}
"#;
const CSV: &str = "symbol,Instrument ID,timestamp,sequence,source_id,price,volume,bid,ask\r\n\
    es,,2013-09-01T17:00:00.083Z,,,1640.25,8,,\r\n\
    ,2,1378054800083,7.0,3,,,1,2\r\n";

fn resolved(batch: PostedBatch) -> ResolvedTicks {
    let es = Symbol::new("ES").unwrap();
    batch.resolve(&HashMap::from([(es, 1)]))
}

#[test]
fn one_batch_is_read_alike_from_json_ndjson_and_csv() {
    let array = read(PostedFormat::Json, JSON);
    let object = read(PostedFormat::Json, &format!("{{\"ticks\":{JSON}}}"));
    let lines = read(PostedFormat::Ndjson, NDJSON);
    let table = read(PostedFormat::Csv, CSV);
    assert_eq!(
        array.symbols().map(Symbol::as_str).collect::<Vec<_>>(),
        ["ES"]
    );
    let expected = resolved(array);
    let [first, second] = &expected.ticks[..] else {
        panic!("two ticks: {expected:?}");
    };
    assert_eq!(
        (first.instrument_id(), first.source_id(), first.sequence()),
        (1, 1, None)
    );
    assert_eq!((first.price(), first.volume()), (Some(1640.25), Some(8.0)));
    assert_eq!(
        (
            second.instrument_id(),
            second.source_id(),
            second.sequence()
        ),
        (2, 3, Some(7))
    );
    assert_eq!((second.bid(), second.ask()), (Some(1.0), Some(2.0)));
    assert_eq!(first.timestamp(), second.timestamp());
    assert_eq!(expected.indexes, [0, 1]);
    for other in [object, lines, table] {
        assert_eq!(resolved(other), expected);
    }
}

#[test]
fn rows_of_unknown_symbols_are_rejected_at_their_places() {
    let csv = "symbol,timestamp,price\nES,1378054800083,1\nNQ,1378054800083,1\nES,soon,1\n";
    let rows = resolved(read(PostedFormat::Csv, csv));
    assert_eq!(rows.indexes, [0]);
    assert_eq!(
        rows.rejected
            .first()
            .iter()
            .map(|(index, _)| *index)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(
        rows.rejected.first()[0]
            .1
            .contains("no active instrument is named NQ")
    );
}

#[test]
fn a_row_that_breaks_a_rule_costs_nobody_else() {
    for (row, reason) in [
        (r#"{"timestamp":1,"price":1}"#, "symbol: it is missing"),
        (
            r#"{"symbol":"ES","instrument_id":1,"timestamp":1,"price":1}"#,
            "give one of them",
        ),
        (
            r#"{"symbol":"E  S","timestamp":1,"price":1}"#,
            "symbol: it has a space at an end, or two in a row",
        ),
        (r#"{"symbol":"ES","price":1}"#, "timestamp: it is missing"),
        (
            r#"{"symbol":"ES","timestamp":"soon","price":1}"#,
            "timestamp: \"soon\"",
        ),
        (r#"{"symbol":"ES","timestamp":true,"price":1}"#, "ISO 8601"),
        (
            r#"{"symbol":"ES","timestamp":1378054800083,"price":"1,5"}"#,
            "price: \"1,5\" is not a number; write it like 1650.25",
        ),
        (
            r#"{"symbol":"ES","timestamp":1378054800083,"price":true}"#,
            "invalid type",
        ),
        (
            r#"{"symbol":"ES","timestamp":1378054800083,"price":1,"source":"x"}"#,
            "unknown field `source`",
        ),
        (
            r#"{"symbol":"ES","timestamp":1,"price":1e999}"#,
            "number out of range",
        ),
        (
            r#"{"symbol":"ES","timestamp":1,"prise":1}"#,
            "unknown field `prise`",
        ),
        (
            r#"{"symbol":"ES","timestamp":1,"price":1,"price":2}"#,
            "\"price\" gives the price twice",
        ),
        (r#"[[[[1]]]]"#, "expected an object"),
        ("7", "expected an object"),
        ("null", "expected an object"),
    ] {
        let good = r#"{"symbol":"ES","timestamp":1378054800083,"price":1}"#;
        let batch = read(PostedFormat::Json, &format!("[{good},{row},{good}]"));
        assert_eq!(batch.indexes, [0, 2], "{row}");
        let [(1, said)] = batch.rejected.first() else {
            panic!("{row}: {batch:?}");
        };
        assert!(said.contains(reason), "{row}: {said}");
    }
}

#[test]
fn a_csv_row_that_breaks_a_rule_says_which() {
    let rows =
        "ES,1378054800083,x\nES,1378054800083\nES,soon,1\n,1378054800083,1\nES,1378054800083,1";
    let batch = read(
        PostedFormat::Csv,
        &format!("symbol,timestamp,price\n{rows}"),
    );
    assert_eq!(batch.indexes, [4]);
    let reasons = ["price: \"x\"", "2 fields, not 3", "timestamp", "symbol"];
    assert_eq!(batch.rejected.count(), reasons.len());
    for ((_, said), reason) in batch.rejected.first().iter().zip(reasons) {
        assert!(said.contains(reason), "{said:?} for {reason:?}");
    }
}

#[test]
fn a_text_that_is_not_what_it_says_is_refused_as_a_whole() {
    for (format, text, reason) in [
        (PostedFormat::Json, "", "it is empty"),
        (
            PostedFormat::Json,
            "hello",
            "neither an array nor an object",
        ),
        (PostedFormat::Json, "[{]", "invalid JSON of ticks"),
        (PostedFormat::Json, "[1] 2", "trailing characters"),
        (PostedFormat::Json, "{}", "missing field `ticks`"),
        (
            PostedFormat::Json,
            "{\"ticks\":[],\"x\":1}",
            "unknown field `x`",
        ),
        (
            PostedFormat::Json,
            "[0,0,0,0,0,0,0,0,0,0,0]",
            "at most 10 rows",
        ),
        (
            PostedFormat::Ndjson,
            "1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n",
            "at most 10 rows",
        ),
        (PostedFormat::Csv, "a;b", "names \"a\", which no tick has"),
        (PostedFormat::Csv, "price", "has one field"),
        (PostedFormat::Csv, "symbol,price", "no timestamp column"),
        (
            PostedFormat::Csv,
            "timestamp,price,Price",
            "names \"Price\" twice",
        ),
    ] {
        let said = refused(format, text);
        assert!(said.contains(reason), "{text}: {said}");
    }
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let batch = PostedBatch::read(deep.as_bytes(), PostedFormat::Json, ROWS_MAX);
    assert!(batch.is_err() || batch.unwrap().ticks.is_empty());
}

#[test]
fn no_text_has_more_ticks_than_its_looks_tell() {
    for (format, text) in [
        (PostedFormat::Json, JSON),
        (PostedFormat::Ndjson, NDJSON),
        (PostedFormat::Csv, CSV),
        (PostedFormat::Csv, CSV.trim_end()),
    ] {
        let most = PostedBatch::ticks_max(text.as_bytes(), format, ROWS_MAX);
        assert!((2..=5).contains(&most), "{most}: {text}");
        assert_eq!(PostedBatch::ticks_max(text.as_bytes(), format, 1), 1);
    }
    let numbers = format!("[{}1]", "1,".repeat(1_000_000));
    assert_eq!(
        PostedBatch::ticks_max(numbers.as_bytes(), PostedFormat::Json, ROWS_MAX),
        1
    );
}

#[test]
fn nothing_is_an_empty_batch() {
    for (format, text) in [
        (PostedFormat::Json, "[]"),
        (PostedFormat::Json, "{\"ticks\":[]}"),
        (PostedFormat::Ndjson, "\n\n"),
        (PostedFormat::Csv, ""),
        (PostedFormat::Csv, "symbol,timestamp,price\n"),
    ] {
        assert_eq!(read(format, text), PostedBatch::default(), "{text:?}");
    }
}

#[test]
fn finer_digits_are_cut_and_counted() {
    let row = r#"{"symbol":"ES","timestamp":"2013-09-01T17:00:00.123456789Z","price":1}"#;
    let batch = read(PostedFormat::Ndjson, row);
    assert_eq!(batch.stamps_cut, 1);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text: Vec<u8>) {
        for format in [PostedFormat::Json, PostedFormat::Ndjson, PostedFormat::Csv] {
            let _ = PostedBatch::read(&text, format, ROWS_MAX);
        }
    }

    #[test]
    fn every_number_reads_back(price in proptest::num::f64::NORMAL, micros in 0_i64..1 << 51) {
        let stamp = Timestamp::from_micros(micros).unwrap();
        let text = format!("[{{\"instrument_id\":1,\"timestamp\":\"{stamp}\",\"price\":{price:?}}}]");
        let batch = read(PostedFormat::Json, &text);
        prop_assert_eq!(batch.ticks[0].price(), Some(price));
        prop_assert_eq!(batch.ticks[0].timestamp(), stamp);
    }
}
