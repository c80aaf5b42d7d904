//! Real trades as a live feed delivers them, without sequences: each is stored, whatever the
//! batches. The example does it; here it runs on both backends.

#[allow(dead_code, unreachable_pub)] // Its `main` is not run.
#[path = "../../examples/replay.rs"]
mod example;

use crate::sample::{SAMPLE, first_trades};
use crate::support::chaos::scaled;
use crate::support::on_both;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;

on_both! {
    fn every_trade_of_a_live_feed_is_stored_in_batches_of_any_size(db: &TestDatabase) {
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        // A commit for each trade is what takes long.
        let first = first_trades(2_000);
        let (sent, stored) = example::replay(&database, first.path().to_str().unwrap(), 1).unwrap();
        assert_eq!((sent.0, stored), (scaled(2_000, 20_009), sent));
        for batch in [100, 10_000] {
            let (sent, stored) = example::replay(&database, SAMPLE, batch).unwrap();
            assert_eq!(sent, (20_009, 32_811_739.0, 89_406.0), "batches of {batch}");
            assert_eq!(stored, sent, "batches of {batch}");
        }
    }
}
