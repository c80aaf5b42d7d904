//! The files of the import bench: real trades, as often as it takes, each repetition a week later.
//! Rows and sums are taken from the text, not from the parser that is measured.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::ToSpan;
use jiff::civil::Date;

use crate::real_data::es_trades;

/// Trades as CSV, plain and gzip, in a directory that goes with this value.
pub struct Trades {
    directory: tempfile::TempDir,
    pub origin: String,
    pub rows: usize,
    pub sum_of_volume: i64,
    pub sum_of_price: f64,
}

impl Trades {
    pub fn prepare(rows: usize) -> Self {
        let source = es_trades();
        let text = BufReader::new(MultiGzDecoder::new(File::open(&source).unwrap()));
        let lines: Vec<String> = text.lines().map(Result::unwrap).collect();
        let (header, lines) = lines.split_first().unwrap();
        let mut trades = Self {
            directory: tempfile::tempdir().unwrap(),
            origin: source.file_name().unwrap().to_string_lossy().into_owned(),
            rows,
            sum_of_volume: 0,
            sum_of_price: 0.0,
        };
        let mut csv = BufWriter::new(File::create(trades.csv()).unwrap());
        let gzip = BufWriter::new(File::create(trades.gzip()).unwrap());
        let mut gzip = GzEncoder::new(gzip, Compression::default());
        let mut write = |line: &str| {
            writeln!(csv, "{line}").unwrap();
            writeln!(gzip, "{line}").unwrap();
        };
        write(header);
        for row in 0..rows {
            let line = &lines[row % lines.len()];
            let line = weeks_later(line, row / lines.len());
            let (rest, volume) = line.rsplit_once(',').unwrap();
            let (_, price) = rest.rsplit_once(',').unwrap();
            trades.sum_of_volume += volume.parse::<i64>().unwrap();
            // Prices are multiples of 1/4, so the sum is exact in any order.
            trades.sum_of_price += price.parse::<f64>().unwrap();
            write(&line);
        }
        gzip.finish().unwrap().flush().unwrap();
        csv.flush().unwrap();
        if rows == 500_000 && lines.len() == rows {
            assert_eq!(trades.sum_of_volume, 1_844_058);
        }
        trades
    }

    pub fn csv(&self) -> PathBuf {
        self.directory.path().join("trades.csv")
    }

    pub fn gzip(&self) -> PathBuf {
        self.directory.path().join("trades.csv.gz")
    }
}

/// The line with its date moved.
fn weeks_later(line: &str, weeks: usize) -> String {
    if weeks == 0 {
        return line.to_owned();
    }
    let (date, rest) = line.split_at("2013-09-01".len());
    let date: Date = date.parse().unwrap();
    format!("{}{rest}", date + (weeks as i64).weeks())
}
