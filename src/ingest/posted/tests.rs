//! One batch in each form, and everything that is none.

use proptest::prelude::*;

use super::*;

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
{"symbol":"es","timestamp":"2013-09-01T17:00:00.083Z","price":1640.25,"volume":8}

{"instrument_id":2,"timestamp":1378054800083,"sequence":7,"source_id":3,"bid":1,"ask":2}
"#;
const CSV: &str = "symbol,Instrument ID,timestamp,sequence,source_id,price,volume,bid,ask\r\n\
    es,,2013-09-01T17:00:00.083Z,,,1640.25,8,,\r\n\
    ,2,1378054800083,7,3,,,1,2\r\n";

#[test]
fn one_batch_is_read_alike_from_json_ndjson_and_csv() {
    let array = read(PostedFormat::Json, JSON);
    let object = read(PostedFormat::Json, &format!("{{\"ticks\":{JSON}}}"));
    let lines = read(PostedFormat::Ndjson, NDJSON);
    let mut table = read(PostedFormat::Csv, CSV);
    // A CSV names the default source where none is given.
    for row in table.rows.iter_mut().flatten() {
        row.raw.source_id = row.raw.source_id.filter(|id| *id != 1);
    }
    let first = array.rows[0].as_ref().unwrap();
    assert_eq!(
        first.instrument,
        InstrumentName::Symbol(Symbol::new("ES").unwrap())
    );
    assert_eq!(first.raw.price, Some(1640.25));
    let second = array.rows[1].as_ref().unwrap();
    assert_eq!(second.instrument, InstrumentName::Id(2));
    assert_eq!(second.raw.sequence, Some(7));
    assert_eq!(second.raw.source_id, Some(3));
    assert_eq!(first.raw.timestamp, second.raw.timestamp);
    assert_eq!(array, object);
    assert_eq!(array, lines);
    assert_eq!(array, table);
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
            r#"{"symbol":"E S","timestamp":1,"price":1}"#,
            "symbol: it holds ' '",
        ),
        (r#"{"symbol":"ES","price":1}"#, "timestamp: it is missing"),
        (
            r#"{"symbol":"ES","timestamp":"soon","price":1}"#,
            "timestamp: \"soon\"",
        ),
        (r#"{"symbol":"ES","timestamp":true,"price":1}"#, "ISO 8601"),
        (
            r#"{"symbol":"ES","timestamp":1,"price":"1"}"#,
            "invalid type",
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
            "duplicate field",
        ),
        (r#"[[[[1]]]]"#, "it is no tick"),
        ("7", "it is no tick"),
        ("null", "it is no tick"),
    ] {
        let good = r#"{"symbol":"ES","timestamp":1378054800083,"price":1}"#;
        let batch = read(PostedFormat::Json, &format!("[{good},{row},{good}]"));
        assert_eq!(batch.rows.len(), 3, "{row}");
        assert!(batch.rows[0].is_ok() && batch.rows[2].is_ok(), "{row}");
        let said = batch.rows[1].as_ref().unwrap_err();
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
    let said: Vec<&str> = batch
        .rows
        .iter()
        .map(|row| row.as_ref().err().map_or("", |s| s))
        .collect();
    for (said, reason) in
        said.iter()
            .zip(["price: \"x\"", "2 fields, not 3", "timestamp", "symbol", ""])
    {
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
        (PostedFormat::Json, "[{]", "no JSON of ticks"),
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
        assert!(said.starts_with("body: "), "{said}");
        assert!(said.contains(reason), "{text}: {said}");
    }
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let batch = PostedBatch::read(deep.as_bytes(), PostedFormat::Json, ROWS_MAX);
    assert!(batch.is_err() || batch.unwrap().rows[0].is_err());
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
        let row = batch.rows[0].as_ref().unwrap();
        prop_assert_eq!(row.raw.price, Some(price));
        prop_assert_eq!(row.raw.timestamp, Some(stamp));
    }
}
