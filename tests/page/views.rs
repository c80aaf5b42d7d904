//! Each view against the API: what it shows is what the server answers.

use serde_json::{Value, json};

use crate::database::{Database, TICKS_OF_ES};
use crate::on_both;
use crate::open_page::OpenPage;
use crate::server::Server;

/// A file of two ticks, and of a line that is none.
const FILE: &str = "timestamp,price,volume\n\
                    2024-01-02T10:00:00Z,2066.5,1\n\
                    2024-01-02T10:00:01Z,none,1\n\
                    2024-01-02T10:00:02Z,2067.25,4\n";

on_both! {
    fn every_view_shows_what_the_server_answers(db: &Database) {
        db.fill();
        let server = Server::start(db, &[]);
        let page = OpenPage::of(&server);
        prices(&page, &server);
        an_instrument(&page, &server);
        alerts(&page, &server);
        health(&page, &server);
        coverage(&page);
        an_import(&page, &server, db);
        what_is_not_there(&page);
        page.expect_no_error();
    }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// A number with the places of its instrument; without places, as it is stored.
fn price(value: &Value, places: Option<usize>) -> String {
    let number = value.as_f64().expect("a number");
    places.map_or_else(|| number.to_string(), |places| format!("{number:.places$}"))
}

fn places(of: &Value) -> Option<usize> {
    let places = of["price_decimals"].as_u64()?;
    Some(usize::try_from(places).expect("they are few"))
}

/// 20,009.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn prices(page: &OpenPage, server: &Server) {
    page.load("#/prices");
    let answer = server.get("/api/market-data/snapshot");
    let snapshots = rows(&answer["snapshots"]);
    assert_eq!(page.count("#view tbody tr"), snapshots.len());
    let mut priced = 0;
    for of in snapshots {
        let row = page.row(text(of, "symbol"));
        assert!(row.iter().any(|cell| cell == text(of, "name")), "{row:?}");
        if of["price"].is_null() {
            assert!(row.iter().any(|cell| cell.contains("never")), "{row:?}");
            continue;
        }
        priced += 1;
        let last = price(&of["price"], places(of));
        assert!(row.contains(&last), "{last}: {row:?}");
        let day = &of["day"];
        let percent = day["change_percent"].as_f64().expect("a number");
        let sign = if percent < 0.0 { "▼ −" } else { "▲ +" };
        let percent = format!("{sign}{:.2} %", percent.abs());
        assert!(row.contains(&percent), "{percent}: {row:?}");
        if text(of, "symbol") == "ES" {
            let change = price(&day["change"], places(of)).replace('-', "−");
            assert!(row.contains(&change), "{change}: {row:?}");
            let volume = count(day["volume"].as_u64().expect("a number"));
            assert!(row.contains(&volume), "{volume}: {row:?}");
        }
    }
    assert_eq!(
        priced, 3,
        "of ES, by its ticks, of MSFT and SPX, by their bars"
    );
}

fn an_instrument(page: &OpenPage, server: &Server) {
    page.go("#/instrument/ES?frequency=1min&table=shown");
    let wanted = json!({"symbols": ["ES"], "frequency": "1min"});
    let answer = server.post("/api/historical-data/fetch", &wanted);
    let bars = rows(&answer["data"][0]["bars"]);
    let id = server.instrument("ES");
    let of = server.get(&format!("/api/instruments/{id}"));
    let places = places(&of);
    assert_eq!(page.count("#view .bars tbody tr"), bars.len());
    for bar in bars {
        let row = page.row(&text(bar, "timestamp")[..19].replace('T', " "));
        for name in ["open", "high", "low", "close"] {
            let value = price(&bar[name], places);
            assert!(row.contains(&value), "{name} {value}: {row:?}");
        }
        let volume = count(bar["volume"].as_u64().expect("a number"));
        assert!(row.contains(&volume), "{volume}: {row:?}");
    }
    let head = page
        .browser
        .text("document.querySelector('#view .head').innerText");
    assert!(head.contains(&price(&of["last_price"], places)), "{head}");
    let alerts = server.get(&format!("/api/alerts?instrument_id={id}"));
    let total = usize::try_from(alerts["total"].as_u64().expect("a number")).expect("they are few");
    assert_eq!(page.count("#view ol.alerts li"), total);
    for rule in rows(&server.get("/api/rules")) {
        page.shows(text(rule, "name"));
    }
    is_drawn(page);

    // Bars alone, without a tick.
    page.go("#/instrument/MSFT?frequency=1min&table=shown");
    page.shows("The newest 500 of");
    page.go("#/instrument/SPX?frequency=1d&table=shown");
    page.shows("2018-12-31");
}

/// Candles are on the canvas, and not only its ground: some of its pixels have colours of their own.
fn is_drawn(page: &OpenPage) {
    let colours = "(() => {
        const colours = new Set();
        for (const it of document.querySelectorAll('#view canvas')) {
            const { data } = it.getContext('2d').getImageData(0, 0, it.width, it.height);
            for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) colours.add(data[at] * 65536 + data[at + 1] * 256 + data[at + 2]);
        }
        return colours.size > 3;
    })()";
    page.browser.until(colours);
}

fn alerts(page: &OpenPage, server: &Server) {
    page.go("#/alerts");
    let answer = server.get("/api/alerts");
    let alerts = rows(&answer["alerts"]);
    let shown = page.shown();
    assert!(
        shown.contains(&format!("{} alerts", answer["total"])),
        "{shown}"
    );
    assert!(page.count("#view tbody tr") >= alerts.len());
    for alert in alerts {
        let message = text(alert, "alert_message");
        // The rule's name has a line of its own.
        let message = message
            .rsplit_once(" - ")
            .map_or(message, |(_, message)| message);
        let at = text(alert, "timestamp")[..19].replace('T', " ");
        for said in [message, &at, text(alert, "rule_name")] {
            assert!(shown.contains(said), "{said}:\n{shown}");
        }
    }

    // What is acknowledged on the page is so in the database.
    page.browser.click("#view [data-act=acknowledge]");
    page.browser.until("document.querySelector('dialog[open]')");
    page.browser
        .type_into("dialog[open] input:required", "the desk");
    page.browser.click("dialog[open] button[type=submit]");
    page.browser
        .until("!document.querySelector('dialog[open]')");
    page.browser
        .until("document.querySelector('#view tbody tr .seen .up')");
    let answer = server.get("/api/alerts");
    assert_eq!(answer["alerts"][0]["acknowledged_by"], "the desk");
}

fn health(page: &OpenPage, server: &Server) {
    page.go("#/health");
    let answer = server.get("/api/health/database");
    let verdict = page
        .browser
        .text("document.querySelector('#view .verdict').innerText");
    assert!(
        verdict.to_lowercase().contains(text(&answer, "status")),
        "{verdict}"
    );
    for table in rows(&answer["storage"]["tables"]) {
        let row = page.row(text(table, "table"));
        // PostgreSQL has estimates, which it makes anew at any time, and none before the first one.
        if let (false, Some(active)) = (is_postgres(&answer), table["active_rows"].as_u64()) {
            assert!(row.contains(&count(active)), "{active}: {row:?}");
        }
    }
    let pool = &answer["connection_pool"];
    page.shows(&format!("of {}", pool["max_capacity"]));
    let operation = text(&answer["performance"]["by_operation"][0], "operation");
    let row = page.row(operation);
    let calls: u64 = row[1].replace(',', "").parse().expect("a number");
    assert!(calls > 0, "{row:?}");
    let badge = page
        .browser
        .text("document.getElementById('health').innerText");
    assert!(badge.contains(text(&answer, "status")), "{badge}");
}

/// SQLite alone has pages that are free.
fn is_postgres(health: &Value) -> bool {
    health["storage"]["free_pages"].is_null()
}

fn coverage(page: &OpenPage) {
    let cell = |symbol: &str, day: &str| {
        let script = "
            const [symbol, day] = arguments;
            const row = document.querySelector(`#view tbody tr[data-symbol='${symbol}']`);
            const days = [...document.querySelectorAll('#view thead tr:last-child th')].map((it) => it.textContent);
            return row.querySelectorAll('td')[days.indexOf(day)]?.textContent ?? days.join()";
        let said = page.browser.run(script, &[json!(symbol), json!(day)]);
        said.as_str().expect("a text").to_owned()
    };
    page.go("#/coverage?from=2013-09-01&to=2013-09-05");
    assert_eq!(
        cell("ES", "2013-09-03"),
        format!("{} ticks", count(TICKS_OF_ES))
    );
    // A Sunday, and a Wednesday.
    assert_eq!(cell("ES", "2013-09-01"), "not expected");
    assert_eq!(cell("ES", "2013-09-04"), "missing");
    page.go("#/coverage?from=2018-12-03&to=2018-12-09");
    assert!(
        cell("SPX", "2018-12-04").contains("volume"),
        "{}",
        cell("SPX", "2018-12-04")
    );
    // A day of mourning, on which the exchange was closed, and a Sunday.
    for day in ["2018-12-05", "2018-12-09"] {
        assert_eq!(cell("SPX", day), "not expected", "{day}");
    }
}

fn an_import(page: &OpenPage, server: &Server, db: &Database) {
    let file = db.place().join("gold.csv");
    std::fs::write(&file, FILE).expect("a file");
    page.go("#/data?symbol=GC");
    page.browser.type_into("#file", &file.display().to_string());
    page.shows("2024-01-02T10:00:02Z,2067.25,4");
    page.browser.click("#view form button[type=submit]");
    page.shows("2 of 3 rows would be stored");
    let report = server.post_text("/api/import?symbol=GC&dry_run=true", FILE);
    let refused = &report["errors"][0];
    page.shows(text(refused, "reason"));
    let row = page.row(text(refused, "reason"));
    assert_eq!(row[0], refused["line"].to_string());
    assert_eq!(server.last_price("GC"), None, "a preview stores nothing");

    let store = "[...document.querySelectorAll('#view form button')].find((it) => it.innerText === 'Import')";
    page.browser.until(&format!("!{store}.disabled"));
    page.browser.run(&format!("{store}.click()"), &[]);
    page.shows("2 of 3 rows are stored");
    assert_eq!(server.last_price("GC"), Some(2067.25));
    page.go("#/prices");
    assert!(
        page.row("GC")
            .iter()
            .any(|cell| cell.starts_with("2067.25"))
    );
}

/// What an address names and nobody knows, is said in words.
fn what_is_not_there(page: &OpenPage) {
    page.browser
        .run("location.hash = '#/instrument/NOBODY'", &[]);
    page.browser
        .until("document.body.innerText.includes('no active instrument is named NOBODY')");
    page.browser.run(
        "document.querySelectorAll('#messages button').forEach((it) => it.click())",
        &[],
    );
}
