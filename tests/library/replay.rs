//! Real trades as a live feed delivers them, without sequences: each is stored, whatever the
//! batches. The example does it; here it runs on both backends.

#[allow(dead_code, unreachable_pub)] // Its `main` is not run.
#[path = "../../examples/replay.rs"]
mod example;

use crate::support::on_both;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");

on_both! {
    fn every_trade_of_a_live_feed_is_stored_in_batches_of_any_size(db: &TestDatabase) {
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        for batch in [1, 100, 10_000] {
            let (sent, stored) = example::replay(&database, SAMPLE, batch).unwrap();
            assert_eq!(sent, (20_009, 32_811_739.0, 89_406.0), "batches of {batch}");
            assert_eq!(stored, sent, "batches of {batch}");
        }
    }
}
