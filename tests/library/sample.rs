//! The real trades that the project brings along, and the first of them in a file of their own:
//! what is slow for each trade takes fewer in the suite, and all of them under `scripts/chaos`.

use std::io::{BufRead, BufReader, Write};

use flate2::read::GzDecoder;
use tempfile::NamedTempFile;

use crate::support::chaos::scaled;

/// The whole sample: 20,009 trades.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");

/// Its header and its first `short` trades; all trades in the long form.
pub fn first_trades(short: usize) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let packed = std::fs::File::open(SAMPLE).unwrap();
    let lines = BufReader::new(GzDecoder::new(packed)).lines();
    for line in lines.take(1 + scaled(short, 20_009)) {
        writeln!(file, "{}", line.unwrap()).unwrap();
    }
    file.flush().unwrap();
    file
}
