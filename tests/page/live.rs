//! Live data in each view: prices, alerts and what other processes store show while the page is
//! open, without a reload.

use std::time::Duration;

use serde_json::json;

use crate::database::Database;
use crate::on_both;
use crate::open_page::OpenPage;
use crate::program::run;
use crate::server::Server;

/// From the tick's commit until a person sees it.
const SOON: Duration = Duration::from_secs(2);
/// A busy machine may be late with some.
const TRIES: i64 = 3;

on_both! {
    fn ticks_and_alerts_show_while_the_page_is_open(db: &Database) {
        db.fill();
        let server = Server::start(db, &[]);
        let page = OpenPage::of(&server);
        let now = server.now();
        page.load("#/prices");
        page.live();
        let soonest = (1..=TRIES).map(|at| {
            let price = 1700.25 + at as f64;
            assert_eq!(server.trade("ES", now + at, price), 1);
            let took = page.shows(&price.to_string());
            assert!(page.row("ES").iter().any(|cell| cell.starts_with(&price.to_string())));
            took
        });
        let soonest = soonest.min().expect("some");
        println!("a tick shows after {soonest:.0?} on {}", db.backend());
        assert!(soonest < SOON, "{soonest:?}");

        // An instrument that never had a tick.
        page.go("#/instrument/GC?table=shown&frequency=1min");
        page.shows("neither ticks nor bars");
        let rule = json!({"name": "gold is high", "instrument_id": server.instrument("GC"),
            "rule_type": "threshold", "condition": "above", "threshold": 2_000});
        server.post("/api/rules", &rule);
        page.go("#/alerts");
        assert_eq!(server.trade("GC", now + 10, 2_001.5), 1);
        page.shows("gold is high");
        page.shows("Price 2001.5 above threshold 2000");
        page.go("#/instrument/GC?table=shown&frequency=1min");
        page.shows("Price 2001.5 above threshold 2000");
        assert_eq!(server.trade("GC", now + 20, 2_003.75), 1);
        page.browser.until("document.querySelector('#view .head').innerText.includes('2003.75')");
        page.browser.until("document.querySelector('#view .bars tbody').innerText.includes('2003.75')");

        // The message of a tick may come after a snapshot that has it.
        assert_eq!(page.browser.run_async(COUNTED, &[]), json!([10, 6]));
        what_another_process_stores(&page, db);
        // The list of instruments that the page has read is older than this one.
        server.post("/api/instruments", &json!({"symbol": "LATER", "name": "Later", "type": "equity"}));
        page.go("#/instrument/LATER");
        page.expect_no_error();
    }
}

/// A row of prices is given a snapshot, the tick that is in it, and a newer one.
const COUNTED: &str = "
    const done = arguments[0];
    import('/page/views/prices-row.js').then(({ PriceRow }) => {
        const row = new PriceRow(1);
        const at = (second) => `2024-01-02T10:00:0${second}.000000Z`;
        row.take({ symbol: 'A', name: 'A', price_decimals: 2, timestamp: at(1), price: 5, bid: null, ask: null,
            status: 'active', closes: [5], day: { date: '2024-01-02', of: 'last', open: 4, close: 5, volume: 7 } });
        for (const second of [1, 2]) row.tick({ timestamp: at(second), price: 6, volume: 3, bid: null, ask: null });
        done([row.day.volume, row.last]);
    }, (error) => done(String(error)));";

/// It comes without a tick over the WebSocket, only with the word that data changed.
fn what_another_process_stores(page: &OpenPage, db: &Database) {
    page.go("#/coverage?from=2020-01-06&to=2020-01-10");
    let cell = "document.querySelector(\"#view tr[data-symbol=NQ]\").innerText.includes('1 tick')";
    assert_eq!(page.browser.run(&format!("return {cell}"), &[]), false);
    let file = db.place().join("later.csv");
    std::fs::write(&file, "timestamp,price\n2020-01-07T10:00:00Z,8800.5\n").expect("a file");
    run(
        db.url(),
        &["import", &file.display().to_string(), "--symbol", "NQ"],
    );
    page.browser.until(cell);
}
