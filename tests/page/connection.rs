//! A connection that is lost and comes back: the page says so, and shows what came meanwhile.

use crate::database::Database;
use crate::on_both;
use crate::open_page::OpenPage;
use crate::program::run;
use crate::server::Server;

/// What Chromium itself writes of a server that is gone.
const GONE: [&str; 4] = [
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "WebSocket connection",
];

on_both! {
    fn what_came_while_the_server_was_away_shows_when_it_is_back(db: &Database) {
        db.fill();
        let mut server = Server::start(db, &[]);
        let page = OpenPage::of(&server);
        page.load("#/prices");
        page.live();
        let now = server.now();
        server.kill();
        page.browser.until("document.getElementById('connection').dataset.state === 'lost'");
        let said = page.browser.text("document.getElementById('connection').innerText");
        assert!(said.contains("Not connected"), "{said}");

        let file = db.place().join("meanwhile.csv");
        std::fs::write(&file, format!("timestamp,price,volume\n{now},1701.75,3\n")).expect("a file");
        run(db.url(), &["import", &file.display().to_string(), "--symbol", "ES", "--timestamp-format", "unix_ms"]);
        server.start_again();
        page.live();
        page.shows("1701.75");

        // Live ticks come again, too.
        assert_eq!(server.trade("ES", now + 1_000, 1702.5), 1);
        page.shows("1702.50");
        page.browser.expect_quiet(&GONE);
    }
}
