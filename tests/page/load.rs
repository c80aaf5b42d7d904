//! The page under load: 200 instruments at 1,000 ticks a second cost it less than half a core, and
//! its memory stays as it is.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::Browser;
use crate::database::Database;
use crate::feed::Feed;
use crate::on_both;
use crate::open_page::OpenPage;
use crate::processes::processor_time;
use crate::server::Server;

/// The variable that `scripts/chaos` sets.
const LONG: &str = "TICKBASE_CHAOS";
const INSTRUMENTS: usize = 200;
const TICKS_A_SECOND: u64 = 1_000;
/// How often the heap is looked at, in three thirds.
const LOOKS: usize = 9;
/// The last third of the heap's sizes may be that much above the first.
const GROWTH_MAX: f64 = 1.2;
/// Of one core, in hundredths.
const COST_MAX: f64 = 50.0;

on_both! {
    crate::alone;
    fn many_live_prices_cost_little_and_no_memory(db: &Database) {
        db.migrate();
        let is_long = std::env::var_os(LONG).is_some();
        let period = Duration::from_secs(if is_long { 600 } else { 12 });
        let server = Server::start(db, &[]);
        let symbols: Vec<String> = (0..INSTRUMENTS).map(|at| format!("L{at:03}")).collect();
        for symbol in &symbols {
            let instrument = json!({"symbol": symbol, "name": symbol, "type": "equity", "price_decimals": 2});
            server.post("/api/instruments", &instrument);
        }
        let feed = Feed::start(&server, &symbols, TICKS_A_SECOND);
        let page = OpenPage::of(&server);
        page.load("#/prices");
        page.live();
        page.shows(&symbols[INSTRUMENTS - 1]);

        let (begin, before) = (Instant::now(), cost(&page.browser));
        let sent = feed.sent();
        let mut heap = Vec::new();
        for look in 1..=LOOKS {
            let due = period * u32::try_from(look).expect("it is small") / 9;
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            heap.push(heap_bytes(&page.browser));
        }
        let share = (cost(&page.browser) - before).as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0;
        let rate = (feed.sent() - sent) as f64 / begin.elapsed().as_secs_f64();
        feed.end();
        page.expect_no_error();

        let third = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (third(&heap[..LOOKS / 3]), third(&heap[LOOKS - LOOKS / 3..]));
        // The test runner may have written the beginning of the line.
        println!(
            "\nchaos: | the page shows {INSTRUMENTS} live prices, {} | {rate:.0} ticks/s for {} s | none | \
             {share:.0} % of a core; heap {:.1} MB, at the end {:.1} MB |",
            db.backend(), period.as_secs(), first / 1e6, last / 1e6,
        );
        assert!(last < first * GROWTH_MAX, "the heap grows: {heap:?}");
        // Beside other tests a machine has no time to show what a server takes and the page costs.
        if is_long {
            assert!(rate > TICKS_A_SECOND as f64 * 0.9, "{rate} ticks/s came");
            assert!(share < COST_MAX, "{share} % of a core");
        }
    }
}

/// What the page has cost so far: its own processes and the one that draws.
fn cost(browser: &Browser) -> Duration {
    processor_time(browser.process(), &["renderer", "gpu-process"])
}

/// The bytes of the page's heap that something refers to.
fn heap_bytes(browser: &Browser) -> f64 {
    browser.devtools("HeapProfiler.collectGarbage", json!({}));
    let usage = browser.devtools("Runtime.getHeapUsage", json!({}));
    usage["usedSize"].as_f64().expect("a number")
}
