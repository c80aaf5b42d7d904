//! Pages of others: what they send to the server is refused, and nothing of it is stored.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::database::Database;
use crate::on_both;
use crate::server::Server;
use crate::stranger::Stranger;

/// What a page of others may try without being asked for a permission, and what it may not.
const TRIES: &str = "
    const [base, body, done] = arguments;
    const post = (type, mode) => fetch(`${base}/api/market-data`, {
        method: 'POST', mode, body, headers: { 'content-type': type },
    }).then((answer) => `${answer.type} ${answer.status}`, () => 'failed');
    const socket = () => new Promise((resolve) => {
        const mine = new WebSocket(`${base.replace('http', 'ws')}/ws/realtime`);
        mine.onopen = () => resolve('open');
        mine.onclose = () => resolve('failed');
    });
    (async () => done({
        plain: await post('text/plain', 'no-cors'),
        plain_read: await post('text/plain', 'cors'),
        json: await post('application/json', 'cors'),
        socket: await socket(),
    }))();";

/// Sends the ticks as a form of a page does, which goes to the answer.
const FORM: &str = "
    const [base, body] = arguments;
    const form = document.createElement('form');
    Object.assign(form, { method: 'POST', action: `${base}/api/market-data`, enctype: 'text/plain' });
    // Such a form writes NAME=VALUE: the sign has to be a part of a text.
    const name = body.replace(/}$/, ', \"note\": \"a');
    const input = Object.assign(document.createElement('input'), { name, value: 'b\"}' });
    form.append(input);
    document.body.append(form);
    form.submit();";

/// With what the page that is shown was answered.
const STATUS: &str = "return performance.getEntriesByType('navigation')[0].responseStatus";
const PAGE: &str = "<!doctype html><title>A site</title><p>Somebody else</p>";

/// A batch that the server takes from anybody whom it trusts.
fn ticks(server: &Server) -> Value {
    let tick = json!({"symbol": "NQ", "timestamp": server.now(), "price": 66.5, "volume": 1});
    json!({"ticks": [tick]})
}

fn is_stored(server: &Server) -> bool {
    server.last_price("NQ").is_some()
}

on_both! {
    fn a_page_of_another_origin_stores_nothing_and_hears_nothing(db: &Database) {
        db.migrate();
        let server = Server::start(db, &[]);
        let stranger = Stranger::serve(PAGE);
        let browser = Browser::open(&[]);
        browser.go(&format!("http://127.0.0.1:{}/", stranger.port()));
        let batch = ticks(&server);
        let tried = browser.run_async(TRIES, &[json!(server.base()), json!(batch.to_string())]);
        assert_eq!(tried["plain"], "opaque 0");
        for one in ["plain_read", "json", "socket"] {
            assert_eq!(tried[one], "failed", "{one}");
        }
        // What the page may send, the server refuses; for the others Chromium asks for a permission first.
        let said = browser.console();
        for refused in ["/api/market-data - ", "/ws/realtime' failed"] {
            let is_said = |line: &String| line.contains(refused) && line.contains("403");
            assert!(said.iter().any(is_said), "{refused}: {said:?}");
        }
        assert!(!is_stored(&server));

        browser.run(FORM, &[json!(server.base()), json!(batch.to_string())]);
        browser.until("location.pathname === '/api/market-data' && document.readyState === 'complete'");
        assert_eq!(browser.run(STATUS, &[]), 403);
        assert!(!is_stored(&server));

        // The same ticks from the page itself are taken: it was the origin that was refused.
        browser.go(&server.base());
        let tried = browser.run_async(TRIES, &[json!(server.base()), json!(batch.to_string())]);
        assert_eq!(tried["json"], "basic 200");
        assert_eq!(tried["socket"], "open");
        assert!(is_stored(&server));
    }
}

on_both! {
    fn a_name_that_was_made_to_lead_here_reaches_nothing(db: &Database) {
        db.migrate();
        let browser = Browser::open(&["--host-resolver-rules=MAP evil.example 127.0.0.1"]);
        // The name leads to its owner's site, and then, on the same port, to this server.
        let stranger = Stranger::serve(PAGE);
        let port = stranger.port();
        let evil = format!("http://evil.example:{port}");
        browser.go(&evil);
        assert_eq!(browser.text("document.body.innerText"), "Somebody else");
        drop(stranger);
        let server = Server::start_on(db, port, &[]);
        let batch = ticks(&server);
        let tried = browser.run_async(TRIES, &[json!(evil), json!(batch.to_string())]);
        for one in ["plain", "plain_read", "json"] {
            assert_eq!(tried[one], "basic 421", "{one}");
        }
        assert_eq!(tried["socket"], "failed");
        let read = "fetch('/api/instruments').then((answer) => arguments[0](answer.status))";
        assert_eq!(browser.run_async(read, &[]), 421);
        assert!(!is_stored(&server));

        for path in ["/", "/page/main.js", "/api/instruments"] {
            browser.go(&format!("{evil}{path}"));
            assert_eq!(browser.run(STATUS, &[]), 421, "{path}");
        }
    }
}
