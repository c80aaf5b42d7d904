//! Tables on both backends: pages of any size, places to go on from, filled periods; and what each
//! format is read back as.

use proptest::prelude::*;

use super::*;
use crate::database::BackendConnection;
use crate::domain::tick::{RawTick, Tick};
use crate::domain::{BarPrice, Frequency};
use crate::repository::market_data;
use crate::services::historical_data::{BarQuery, Fill, bars};
use crate::test_support::on_both;
use crate::timestamp::Timestamp;

const MINUTE: i64 = 60_000_000;
/// 2024-01-01T00:00:00Z.
const START: i64 = 1_704_067_200_000_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(START + minute * MINUTE).unwrap()
}

/// Two ticks in each of these minutes of an instrument.
fn store(conn: &mut BackendConnection<'_>, instrument_id: i64, minutes: &[i64]) {
    let ticks = minutes.iter().flat_map(|minute| {
        [0, 1].map(|sequence| {
            Tick::try_from(RawTick {
                instrument_id: Some(instrument_id),
                timestamp: Some(at(*minute)),
                sequence: Some(sequence),
                price: Some(100.0 + *minute as f64 + 0.25 * sequence as f64),
                volume: (sequence == 0).then_some(2.0),
                ..RawTick::default()
            })
            .unwrap()
        })
    });
    let ticks: Vec<Tick> = ticks.collect();
    let options = market_data::InsertOptions::default();
    let stored = conn.savepoint(|conn| market_data::insert_batch(conn, &ticks, &options, at(0)));
    assert_eq!(stored.unwrap().inserted, ticks.len());
}

fn instruments(of: &[(i64, &str)]) -> Vec<ExportedInstrument> {
    let of = of.iter().map(|(id, symbol)| ExportedInstrument {
        id: *id,
        symbol: symbol.parse().unwrap(),
    });
    of.collect()
}

/// The table as CSV, read in pages of so many rows; each page goes on from the text of its place.
fn csv(conn: &mut BackendConnection<'_>, table: &Table, rows_max: usize) -> String {
    let mut bytes = Vec::new();
    let mut encoder = TableEncoder::begin(TableFormat::Csv, table.columns(), &mut bytes).unwrap();
    let mut rest = Some(table.clone());
    while let Some(page) = rest {
        let (batch, after) = page.read(conn, rows_max).unwrap();
        assert!(batch.rows() <= rows_max);
        encoder.write(batch, &mut bytes).unwrap();
        rest = after.and_then(|after| {
            let place = after.key()?.to_string();
            let resumed = table.clone().resumed_at(place.parse().unwrap());
            Some(resumed.unwrap())
        });
    }
    encoder.finish(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn pages_of_any_size_make_the_same_table_of_ticks() {
    on_both(|conn| {
        store(conn, 1, &[0, 1, 5]);
        store(conn, 3, &[2, 3]);
        let of = instruments(&[(3, "YM"), (2, "NQ"), (1, "ES")]);
        let all = Table::ticks(of.clone(), None, None, Selection::All).unwrap();
        let whole = csv(conn, &all, 1_000);
        assert_eq!(whole.lines().count(), 11);
        assert!(
            whole.starts_with(
                "symbol,timestamp,source_id,sequence,price,volume,bid,ask,bid_size,ask_size,open,high,low\n\
                 YM,2024-01-01T00:02:00.000000Z,1,0,102,2,,,,,,,\n\
                 YM,2024-01-01T00:02:00.000000Z,1,1,102.25,,,,,,,,\n"
            ),
            "{whole}"
        );
        for rows_max in 1..=6 {
            assert_eq!(csv(conn, &all, rows_max), whole, "{rows_max}");
        }
        let named = Selection::Named(&["price", "symbol"]);
        let some = Table::ticks(of, Some(at(1)), Some(at(3)), named).unwrap();
        let expected = "price,symbol\n102,YM\n102.25,YM\n101,ES\n101.25,ES\n";
        assert_eq!(csv(conn, &some, 1), expected);
    });
}

#[test]
fn pages_of_any_size_make_the_bars_of_the_history_filled_or_not() {
    on_both(|conn| {
        store(conn, 1, &[0, 1, 5, 23]);
        store(conn, 2, &[7]);
        for fill in [Fill::None, Fill::Previous, Fill::Null] {
            let of = ExportedBars {
                fill,
                ..ExportedBars::of_trades(Frequency::OneMinute)
            };
            let both = instruments(&[(1, "ES"), (2, "NQ")]);
            let table = Table::bars(both, None, None, of, Selection::All).unwrap();
            let whole = csv(conn, &table, 1_000);
            let query = BarQuery {
                fill,
                ..BarQuery::all(1, Frequency::OneMinute)
            };
            let history = bars(conn, &query).unwrap().bars;
            let rows: Vec<&str> = whole.lines().skip(1).collect();
            assert_eq!(rows.len(), history.len() + 1, "{whole}");
            for (row, bar) in rows.iter().zip(&history) {
                let close = bar.values.as_ref().map(|values| values.close.to_string());
                let cells: Vec<&str> = row.split(',').collect();
                assert_eq!(cells[..2], ["ES", &*bar.timestamp.to_string()]);
                assert_eq!(cells[5], close.unwrap_or_default());
            }
            for rows_max in 1..=5 {
                assert_eq!(csv(conn, &table, rows_max), whole, "{fill:?} {rows_max}");
            }
        }
    });
}

#[test]
fn bars_of_quotes_are_found_where_there_are_no_trades() {
    on_both(|conn| {
        let quote = Tick::try_from(RawTick {
            instrument_id: Some(1),
            timestamp: Some(at(3)),
            bid: Some(5.0),
            ask: Some(6.0),
            ..RawTick::default()
        });
        let options = market_data::InsertOptions::default();
        let ticks = [quote.unwrap()];
        conn.savepoint(|conn| market_data::insert_batch(conn, &ticks, &options, at(0)))
            .unwrap();
        let of = |price| ExportedBars {
            price,
            ..ExportedBars::of_trades(Frequency::OneMinute)
        };
        let mut close = |price| {
            let es = instruments(&[(1, "ES")]);
            let columns = Selection::Named(&["close"]);
            let table = Table::bars(es, None, None, of(price), columns).unwrap();
            csv(conn, &table, 10)
        };
        assert_eq!(close(BarPrice::Mid), "close\n5.5\n");
        assert_eq!(close(BarPrice::Ask), "close\n6\n");
        assert_eq!(close(BarPrice::Last), "close\n");
    });
}

#[test]
fn foreign_columns_and_places_are_refused() {
    let table = |names: &[&str]| {
        let es = instruments(&[(1, "ES")]);
        Table::ticks(es, None, None, Selection::Named(names))
    };
    let said = |names: &[&str]| match table(names) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{names:?} is taken"),
    };
    let unknown = said(&["price", "colour"]);
    assert!(
        unknown.contains("\"colour\" is no column; name some of symbol, timestamp,"),
        "{unknown}"
    );
    assert!(said(&["bid", "bid"]).contains("twice"));
    assert!(said(&[]).contains("none"));
    let ticks = table(&["price"]).unwrap();
    for place in ["2", "2.5", "2.1.1.1", "1.7"] {
        let key: RowKey = place.parse().unwrap();
        assert!(ticks.clone().resumed_at(key).is_none(), "{place}");
    }
    for text in ["", "x", "1.2.3", "1.2.3.4.5", "1.99999999999999999999"] {
        assert!(text.parse::<RowKey>().is_err(), "{text}");
    }
}

/// A table of one column of each kind.
const COLUMNS: [Column; 4] = [
    columns::required("symbol", ColumnKind::Word),
    columns::required("timestamp", ColumnKind::Moment),
    columns::optional("sequence", ColumnKind::Whole),
    columns::optional("price", ColumnKind::Number),
];

type AnyRow = (String, i64, Option<i64>, Option<f64>);

fn any_rows() -> impl Strategy<Value = Vec<AnyRow>> {
    let micros = -1_i64 << 50..1 << 50;
    let price = prop_oneof![
        any::<f64>().prop_filter("finite", |of| of.is_finite()),
        Just(-0.0)
    ];
    let row = (
        "[A-Z\"\n, é]{1,4}",
        micros,
        any::<Option<i64>>(),
        prop::option::of(price),
    );
    prop::collection::vec(row, 0..40)
}

fn batch(rows: &[AnyRow]) -> RowBatch {
    RowBatch::of(
        rows.len(),
        vec![
            ColumnValues::Words(rows.iter().map(|row| (&*row.0).into()).collect()),
            ColumnValues::Moments(
                rows.iter()
                    .map(|row| Timestamp::from_micros(row.1).unwrap())
                    .collect(),
            ),
            ColumnValues::Wholes(rows.iter().map(|row| row.2).collect()),
            ColumnValues::Numbers(rows.iter().map(|row| row.3).collect()),
        ],
    )
}

/// The rows in a format, in two batches.
fn encoded(format: TableFormat, rows: &[AnyRow]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = TableEncoder::begin(format, &COLUMNS, &mut bytes).unwrap();
    let (first, second) = rows.split_at(rows.len() / 2);
    encoder.write(batch(first), &mut bytes).unwrap();
    encoder.write(batch(second), &mut bytes).unwrap();
    encoder.finish(&mut bytes).unwrap();
    bytes
}

/// Rows whose numbers are told apart by their bits.
fn bits(rows: &[AnyRow]) -> Vec<(String, i64, Option<i64>, Option<u64>)> {
    let rows = rows.iter().cloned();
    rows.map(|row| (row.0, row.1, row.2, row.3.map(f64::to_bits)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[cfg(feature = "parquet")]
    #[test]
    fn a_parquet_file_holds_every_bit(rows in any_rows()) {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        use ::parquet::record::Field;
        let bytes = encoded(TableFormat::Parquet, &rows);
        prop_assert_eq!(&bytes, &encoded(TableFormat::Parquet, &rows));
        let reader = SerializedFileReader::new(file_of(&bytes)).unwrap();
        let read = reader.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            let cells: Vec<Field> = row.get_column_iter().map(|(_, cell)| cell.clone()).collect();
            let [Field::Str(symbol), Field::TimestampMicros(micros), sequence, price] = &cells[..] else {
                panic!("{cells:?}");
            };
            let sequence = match sequence { Field::Long(whole) => Some(*whole), _ => None };
            let price = match price { Field::Double(price) => Some(*price), _ => None };
            (symbol.clone(), *micros, sequence, price)
        });
        prop_assert_eq!(bits(&read.collect::<Vec<_>>()), bits(&rows));
    }

    #[cfg(feature = "arrow")]
    #[test]
    fn an_arrow_stream_holds_every_bit(rows in any_rows()) {
        use arrow_array::Array;
        use arrow_array::cast::AsArray;
        use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
        let bytes = encoded(TableFormat::Arrow, &rows);
        let reader = arrow_ipc::reader::StreamReader::try_new(&*bytes, None).unwrap();
        let mut read: Vec<AnyRow> = Vec::new();
        for batch in reader {
            let batch = batch.unwrap();
            let words = batch.column(0).as_dictionary::<Int32Type>();
            let words = words.downcast_dict::<arrow_array::StringArray>().unwrap();
            let micros = batch.column(1).as_primitive::<TimestampMicrosecondType>();
            let wholes = batch.column(2).as_primitive::<Int64Type>();
            let numbers = batch.column(3).as_primitive::<Float64Type>();
            for at in 0..batch.num_rows() {
                let word: &str = words.into_iter().nth(at).unwrap().unwrap();
                let whole = wholes.is_valid(at).then(|| wholes.value(at));
                let number = numbers.is_valid(at).then(|| numbers.value(at));
                read.push((word.to_owned(), micros.value(at), whole, number));
            }
        }
        prop_assert_eq!(bits(&read), bits(&rows));
    }

    #[test]
    fn json_holds_every_bit_and_lines_leave_out_what_is_absent(rows in any_rows()) {
        let list = encoded(TableFormat::Json, &rows);
        let list: Vec<serde_json::Value> = serde_json::from_slice(&list).unwrap();
        let lines = String::from_utf8(encoded(TableFormat::Ndjson, &rows)).unwrap();
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!((list.len(), lines.len()), (rows.len(), rows.len()));
        for ((object, line), row) in list.iter().zip(&lines).zip(&rows) {
            prop_assert_eq!(object["symbol"].as_str(), Some(&*row.0));
            prop_assert_eq!(object["sequence"].as_i64(), row.2);
            // No zero has a sign in JSON.
            prop_assert_eq!(object["price"].as_f64(), row.3);
            prop_assert_eq!(object.as_object().unwrap().len(), COLUMNS.len());
            prop_assert_eq!(line.get("price").is_some(), row.3.is_some());
            prop_assert_eq!(&line["timestamp"], &object["timestamp"]);
        }
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_has_groups_of_rows_and_is_packed() {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    let rows: Vec<AnyRow> = (0..1_000)
        .map(|n| {
            (
                "ES".to_owned(),
                START + n * 1_000,
                Some(n),
                Some(1_640.0 + (n % 8) as f64 * 0.25),
            )
        })
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = TableEncoder::begin(TableFormat::Parquet, &COLUMNS, &mut bytes).unwrap();
    let mut handed_over = 0;
    for _ in 0..140 {
        encoder.write(batch(&rows), &mut bytes).unwrap();
        handed_over = handed_over.max(bytes.len());
    }
    assert!(handed_over > 1_000, "a group is handed over before the end");
    encoder.finish(&mut bytes).unwrap();
    assert!(bytes.len() < 140_000 * 3, "{}", bytes.len());
    let reader = SerializedFileReader::new(file_of(&bytes)).unwrap();
    let groups = reader.metadata().row_groups();
    let sizes: Vec<i64> = groups.iter().map(|group| group.num_rows()).collect();
    assert_eq!(sizes, [132_000, 8_000]);
}

/// The bytes as a file.
#[cfg(feature = "parquet")]
fn file_of(bytes: &[u8]) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
