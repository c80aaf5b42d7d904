//! What people do on the page: rules on the chart, alerts, instruments, older bars, exports. Each is held
//! against what the server knows afterwards.

use serde_json::{Value, json};

use crate::database::Database;
use crate::on_both;
use crate::open_page::OpenPage;
use crate::server::Server;

/// The elements that a person finds by a text: buttons, and the control of a label.
const FIND: &str = "
    const seen = (it) => it.getClientRects().length > 0 && !it.disabled;
    const top = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    const buttons = (text) => [...top.querySelectorAll('button')].filter(seen).filter((it) => it.innerText.trim() === text);
    const control = (text) => {
        const label = [...top.querySelectorAll('label')].filter(seen).find((it) => it.innerText.trim() === text);
        return label && document.getElementById(label.htmlFor);
    };";

/// Presses the first button with this text, once it can be seen.
#[track_caller]
fn press(page: &OpenPage, text: &str) {
    let found = format!("(() => {{ {FIND} return buttons(arguments[0]).length > 0; }})()");
    // Arrow functions have the arguments of the function around them.
    page.browser.until_with(&found, &[json!(text)]);
    let script = format!("{FIND} buttons(arguments[0])[0].click()");
    page.browser.run(&script, &[json!(text)]);
}

/// Fills in the control of a label.
#[track_caller]
fn fill(page: &OpenPage, label: &str, value: &str) {
    let script = format!(
        "{FIND} const it = control(arguments[0]);
        if (!it) return false;
        it.value = arguments[1];
        for (const type of ['input', 'change']) it.dispatchEvent(new Event(type, {{ bubbles: true }}));
        return true;"
    );
    let found = page.browser.run(&script, &[json!(label), json!(value)]);
    assert_eq!(found, true, "no field is named {label}:\n{}", page.shown());
}

fn mouse(page: &OpenPage, kind: &str, x: f64, y: f64, is_pressed: bool) {
    let event = json!({"type": kind, "x": x, "y": y, "button": if is_pressed { "left" } else { "none" },
        "buttons": u8::from(is_pressed), "clickCount": 1});
    page.browser.devtools("Input.dispatchMouseEvent", event);
}

/// The rules of ES that are stored.
fn rules(server: &Server) -> Vec<Value> {
    let all = server.get(&format!(
        "/api/rules?instrument_id={}",
        server.instrument("ES")
    ));
    all.as_array().expect("a list").clone()
}

fn rule(server: &Server, name: &str) -> Option<Value> {
    rules(server).into_iter().find(|rule| rule["name"] == name)
}

on_both! {
    fn people_change_what_they_see(db: &Database) {
        db.fill();
        let server = Server::start(db, &[]);
        let page = OpenPage::of(&server);
        page.browser.resize(1440, 1000);
        a_rule_is_tried_saved_moved_and_removed(&page, &server);
        older_bars_come(&page);
        an_alert_is_acknowledged_and_its_rule_silenced(&page, &server);
        an_instrument_is_added_and_found(&page, &server);
        ticks_are_exported(&page);
        what_was_deleted_comes_back(&page, &server);
        page.expect_no_error();
    }
}

/// Waits for a message above the view.
fn says(page: &OpenPage, text: &str) {
    let said = "document.getElementById('messages').innerText.includes(arguments[0])";
    page.browser.until_with(said, &[json!(text)]);
}

/// The trash, before the last of it came back: what a conflict keeps there is said in words.
fn what_was_deleted_comes_back(page: &OpenPage, server: &Server) {
    let es = server.instrument("ES");
    let stored = server.last_price("ES");
    server.delete(&format!(
        "/api/instruments/{es}?cascade=true&reason=by%20mistake&by=desk"
    ));
    let body = json!({"symbol": "ES", "name": "another", "type": "future"});
    let other = server.post("/api/instruments", &body)["id"].clone();
    page.go("#/trash");
    page.shows("by mistake");
    page.shows("1 instrument ES");
    page.shows("20,009 ticks ES");
    press(page, "Undo the deletion");
    says(page, "its symbol is that of active instrument");
    // A browser writes down each answer that is a refusal.
    let said = page.browser.console();
    assert!(said.len() == 1 && said[0].contains("409"), "{said:?}");
    assert_eq!(server.instrument("ES"), other.as_i64().expect("a number"));
    server.delete(&format!("/api/instruments/{other}"));
    page.browser.run(
        "document.querySelectorAll('#messages button').forEach((it) => it.click())",
        &[],
    );
    page.load("#/trash");
    // The newest deletion comes first: that of the other one.
    let whole = "[...document.querySelectorAll('#view tr')].find((it) => it.innerText.includes('by mistake'))";
    let undo = format!(
        "[...{whole}.querySelectorAll('button')].find((it) => it.innerText === 'Undo the deletion').click()"
    );
    page.browser.run(&undo, &[]);
    says(page, "Restored");
    page.browser
        .until("!document.querySelector('#view').innerText.includes('by mistake')");
    assert_eq!(
        (server.instrument("ES"), server.last_price("ES")),
        (es, stored)
    );
    let first = rules(server).remove(0);
    server.delete(&format!("/api/rules/{}?reason=too%20loud", first["id"]));
    page.load("#/trash");
    page.shows("too loud");
    press(page, "Restore");
    page.browser
        .until("!document.querySelector('#view').innerText.includes('too loud')");
    assert!(rules(server).iter().any(|rule| rule["id"] == first["id"]));
}

fn a_rule_is_tried_saved_moved_and_removed(page: &OpenPage, server: &Server) {
    page.load("#/instrument/ES?frequency=1min");
    let before = rules(server).len();
    press(page, "Add a rule");
    fill(page, "Name", "by hand");
    fill(page, "Price", "1640.25");
    press(page, "What would have fired");
    let tried = json!({"rule": {"instrument_id": server.instrument("ES"), "rule_type": "threshold",
        "condition": "above", "threshold": "1640.25", "cooldown_seconds": 60}});
    let fired = server.post("/api/rules/replay", &tried)["fired"]
        .as_u64()
        .expect("a number");
    assert!(fired > 1, "{fired}");
    page.shows(&format!(
        "It would have fired {fired} times on 20,009 ticks"
    ));
    assert_eq!(rules(server).len(), before, "a trial saves nothing");
    press(page, "Save");
    page.shows("by hand is saved");
    assert_eq!(
        rule(server, "by hand").expect("it is saved")["threshold"],
        1640.25
    );

    drag_the_line(page);
    page.shows("Move the threshold of by hand from 1640.25");
    press(page, "Save");
    let moved = "!document.querySelector('#view .move:not([hidden])')";
    page.browser.until(moved);
    let threshold = rule(server, "by hand").expect("it stays")["threshold"].clone();
    assert_ne!(threshold, 1640.25, "it was dragged");

    let remove = "document.querySelector('[aria-label=\"Remove: by hand\"]').click()";
    page.browser.run(remove, &[]);
    page.shows("by hand is removed");
    assert_eq!(rule(server, "by hand"), None);
    press(page, "Undo");
    page.browser
        .until("document.querySelector('[aria-label=\"Remove: by hand\"]')");
    assert_eq!(
        rule(server, "by hand").expect("it is back")["threshold"],
        threshold
    );
}

/// Drags the lowest threshold line down by some pixels, as a hand with a mouse does.
fn drag_the_line(page: &OpenPage) {
    let place = "const it = document.querySelector('#view .canvas');
        it.scrollIntoView();
        const { left, top, width, height } = it.getBoundingClientRect();
        return [left + width / 2, top, top + height * 0.7];";
    let place = page.browser.run(place, &[]);
    let number = |at: usize| place[at].as_f64().expect("a number");
    let (x, top, bottom) = (number(0), number(1), number(2));
    let mut y = bottom;
    // The pointer has another shape over a line.
    loop {
        mouse(page, "mouseMoved", x, y, false);
        let is_near = "return document.querySelector('#view .canvas.near') !== null";
        if page.browser.run(is_near, &[]) == true {
            break;
        }
        y -= 4.0;
        assert!(y > top, "no line can be taken");
    }
    mouse(page, "mousePressed", x, y, true);
    for step in 1..=6 {
        mouse(page, "mouseMoved", x, y + 5.0 * f64::from(step), true);
    }
    mouse(page, "mouseReleased", x, y + 30.0, true);
}

fn older_bars_come(page: &OpenPage) {
    page.go("#/instrument/MSFT?frequency=1min");
    let first = "document.querySelector('#view [role=figure]').getAttribute('aria-label').split(', ')[2].slice(0, 19)";
    let begin = page.browser.text(first);
    assert!(begin.starts_with("2022-05-"), "{begin}");
    for _ in 0..40 {
        press(page, "←");
    }
    let is_older = format!("{first} < arguments[0]");
    page.browser.until_with(&is_older, &[json!(begin)]);
}

fn an_alert_is_acknowledged_and_its_rule_silenced(page: &OpenPage, server: &Server) {
    page.go("#/alerts");
    press(page, "Acknowledge");
    fill(page, "Note, if there is something to say", "seen by a test");
    fill(page, "Your name", "desk");
    let submit = "document.querySelector('dialog[open] button.main').click()";
    page.browser.run(submit, &[]);
    page.browser
        .until("!document.querySelector('dialog[open]')");
    let newest = server.get("/api/alerts?per_page=1")["alerts"][0].clone();
    assert_eq!(
        (&newest["acknowledged_by"], &newest["acknowledgement_note"]),
        (&json!("desk"), &json!("seen by a test"))
    );
    page.shows("desk");

    press(page, "Silence");
    page.browser.run(submit, &[]);
    page.browser
        .until("!document.querySelector('dialog[open]')");
    let silences = server.get("/api/alerts/silences");
    assert_eq!(silences[0]["rule_id"], newest["rule_id"], "{silences}");
    page.shows("Silences (1)");
}

fn an_instrument_is_added_and_found(page: &OpenPage, server: &Server) {
    page.go("#/prices");
    press(page, "Add instrument");
    fill(page, "Symbol", "new.one");
    fill(page, "Name", "One more");
    page.browser.run(
        "document.querySelector('dialog[open] button.main').click()",
        &[],
    );
    page.browser
        .until("!document.querySelector('dialog[open]')");
    assert!(server.instrument("NEW.ONE") > 0);
    page.shows("NEW.ONE");
    let search = "const it = document.querySelector('#view input[type=search]');
        it.value = 'one more'; it.dispatchEvent(new Event('input'));";
    page.browser.run(search, &[]);
    page.browser.until("[...document.querySelectorAll('#view tbody tr')].filter((row) => !row.hidden).length === 1");
}

fn ticks_are_exported(page: &OpenPage) {
    page.go("#/data?export_symbol=ES");
    press(page, "Download");
    page.shows("✓ ES-ticks.csv");
}
