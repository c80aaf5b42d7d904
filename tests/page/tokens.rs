//! A server that wants tokens: the page asks for one, keeps it where it belongs, sends it along
//! with everything, and asks anew when it no longer counts.

use std::path::PathBuf;

use serde_json::json;

use crate::database::Database;
use crate::on_both;
use crate::open_page::OpenPage;
use crate::server::Server;

const FIRST: &str = "first-token-0123456789";
const SECOND: &str = "second-token-0123456789";
const WRONG: &str = "wrong-token-0123456789";

/// The dialog that asks.
const ASKS: &str = "document.querySelector('dialog[open] input[type=password]')";
const FIELD: &str = "dialog[open] input[type=password]";
const USE_IT: &str = "dialog[open] button[type=submit]";

/// The settings of an operator, and the folder of the tokens.
fn settings(db: &Database) -> (String, PathBuf) {
    let tokens = db.place().join("tokens");
    std::fs::create_dir(&tokens).expect("a directory");
    let file = db.place().join("tickbase.toml");
    let text = format!("[server]\nprotect_reads = true\ntokens_dir = {tokens:?}\n");
    std::fs::write(&file, text).expect("a file");
    (file.display().to_string(), tokens)
}

fn answer(page: &OpenPage, token: &str) {
    page.browser.until(ASKS);
    page.browser.type_into(FIELD, token);
    page.browser.click(USE_IT);
}

on_both! {
    fn the_page_asks_for_a_token_and_keeps_it_for_this_tab(db: &Database) {
        db.fill();
        let (file, tokens) = settings(db);
        std::fs::write(tokens.join("desk.write"), FIRST).expect("a file");
        let mut server = Server::start(db, &["--config", &file, "--log-level", "debug"]).with_token(FIRST);
        let page = OpenPage::of(&server);
        page.browser.go(&format!("{}/#/prices", server.base()));
        page.browser.until(ASKS);
        assert_eq!(page.count(FIELD), 1);

        // A wrong one is said to be wrong, and asked for again.
        answer(&page, WRONG);
        page.browser.until("document.querySelector('dialog[open] input[type=password]')?.value === ''");
        answer(&page, FIRST);
        page.ready("#/prices");
        page.shows("ES");
        page.live();

        // What came while it lived, came over the WebSocket.
        assert_eq!(server.trade("ES", server.now(), 1777.25), 1);
        page.shows("1777.25");
        nowhere_but_in_the_tab(&page, &server, FIRST);

        // The page asks again when the token no longer counts: it only listens, and the connection
        // that is lost is all that tells.
        std::fs::remove_file(tokens.join("desk.write")).expect("it is there");
        std::fs::write(tokens.join("desk.write"), SECOND).expect("a file");
        server.read_tokens_again();
        server = server.with_token(SECOND);
        answer(&page, SECOND);
        page.live();
        page.go("#/alerts");
        page.shows("demo: mean");
        nowhere_but_in_the_tab(&page, &server, SECOND);
        page.browser.expect_quiet(&["401", "HTTP Authentication failed"]);
    }
}

/// The token lies in the storage of this tab, and in no address, log or other storage.
fn nowhere_but_in_the_tab(page: &OpenPage, server: &Server, token: &str) {
    let kept = "return [Object.values(sessionStorage), Object.values(localStorage), document.cookie, location.href]";
    let kept = page.browser.run(kept, &[]);
    assert_eq!(kept[0], json!([token]));
    for place in 1..4 {
        assert!(!kept[place].to_string().contains(token), "{kept}");
    }
    let asked = page
        .browser
        .run("return performance.getEntries().map((it) => it.name)", &[]);
    assert!(asked.to_string().contains("/api/"), "{asked}");
    assert!(!asked.to_string().contains(token), "{asked}");
    let log = server.logged();
    assert!(log.contains("/api/"), "{log}");
    assert!(!log.contains(token), "{log}");
    let shown = page.browser.text("document.documentElement.outerHTML");
    assert!(!shown.contains(token));
}
