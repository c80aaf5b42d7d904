//! The page in a browser: its views, when they are ready, what they show, and that nothing went
//! wrong while they showed it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::server::Server;

/// The views, by the first part of their address, with an address of each.
pub(crate) const VIEWS: [(&str, &str); 7] = [
    ("prices", "#/prices"),
    ("instrument", "#/instrument/ES"),
    ("alerts", "#/alerts"),
    ("health", "#/health"),
    ("coverage", "#/coverage"),
    ("data", "#/data"),
    ("trash", "#/trash"),
];

/// Something hangs when a view is not ready after this time; how fast it is, is printed only.
const HANG: Duration = Duration::from_secs(10);

/// Adds up how far the layout moved by itself since the page was loaded.
const SHIFTS: &str = "
    const done = arguments[0];
    let sum = 0;
    const sources = [];
    const note = (entries) => {
        for (const entry of entries) {
            if (entry.hadRecentInput) continue;
            sum += entry.value;
            for (const { node } of entry.sources) {
                sources.push(`${entry.value.toFixed(3)} ${node?.nodeName} ${node?.className ?? node?.textContent}`);
            }
        }
    };
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => { note(observer.takeRecords()); done({ sum, sources }); }, 100);";

/// The page of a server in a browser.
pub(crate) struct OpenPage {
    pub(crate) browser: Browser,
    base: String,
}

impl OpenPage {
    /// A browser that shows nothing yet.
    pub(crate) fn of(server: &Server) -> Self {
        Self {
            browser: Browser::open(&[]),
            base: server.base(),
        }
    }

    /// Loads a view anew, and tells how long it took until its first data stood there.
    #[track_caller]
    pub(crate) fn load(&self, address: &str) -> Duration {
        self.browser.go("about:blank");
        let begin = Instant::now();
        self.browser.go(&format!("{}/{address}", self.base));
        self.ready(address);
        let took = begin.elapsed();
        assert!(took < HANG, "{address} took {took:?}");
        took
    }

    /// Goes to a view as a link does, without loading the page anew.
    #[track_caller]
    pub(crate) fn go(&self, address: &str) {
        // What was ready before says nothing.
        let script = "delete document.body.dataset.ready; location.hash = arguments[0]";
        self.browser.run(script, &[json!(address)]);
        self.ready(address);
    }

    /// Waits until a view shows its first data and nothing went wrong.
    #[track_caller]
    pub(crate) fn ready(&self, address: &str) {
        let view = address
            .trim_start_matches("#/")
            .split(['/', '?'])
            .next()
            .unwrap_or_default();
        self.browser.until("document.body.dataset.ready");
        let shown = self.browser.text("document.body.dataset.ready");
        let said = self
            .browser
            .text("document.getElementById('messages').innerText");
        assert_eq!(shown, view, "{said}");
    }

    /// Waits until the WebSocket is there.
    #[track_caller]
    pub(crate) fn live(&self) {
        self.browser
            .until("document.getElementById('connection').dataset.state === 'live'");
    }

    /// What the view shows, as a person reads it.
    pub(crate) fn shown(&self) -> String {
        self.browser
            .text("document.getElementById('view').innerText")
    }

    /// Waits until the view shows a text.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> Duration {
        let expression = "document.getElementById('view').innerText.includes(arguments[0])";
        self.browser.until_with(expression, &[json!(text)])
    }

    /// The texts of the cells of the first row of a table whose cells have one with this text.
    pub(crate) fn row(&self, of: &str) -> Vec<String> {
        let script = "
            const cells = (row) => [...row.cells].map((cell) => cell.innerText.trim());
            const rows = [...document.querySelectorAll('#view tbody tr')].map(cells);
            return rows.find((row) => row.some((cell) => cell.split('\\n').includes(arguments[0]))) ?? null";
        let row = self.browser.run(script, &[json!(of)]);
        let row: Option<Vec<String>> = serde_json::from_value(row).expect("texts");
        row.unwrap_or_else(|| panic!("no row of {of}:\n{}", self.shown()))
    }

    /// How many elements a selector finds.
    pub(crate) fn count(&self, selector: &str) -> usize {
        let script = "return document.querySelectorAll(arguments[0]).length";
        let count = self.browser.run(script, &[json!(selector)]);
        usize::try_from(count.as_u64().expect("a number")).expect("it is small")
    }

    /// What moved by itself since the page was loaded, when that is more than this.
    pub(crate) fn moved(&self, most: f64) -> Option<String> {
        let moved = self.browser.run_async(SHIFTS, &[]);
        let sum = moved["sum"].as_f64().expect("a number");
        (sum >= most).then(|| format!("the layout moved by {sum:.3}:\n{}", list(&moved["sources"])))
    }

    /// Fails when the page shows an error, or the console got one.
    #[track_caller]
    pub(crate) fn expect_no_error(&self) {
        let errors = "[...document.querySelectorAll('#messages .error')].map((it) => it.innerText).join('\\n')";
        assert_eq!(self.browser.text(errors), "");
        self.browser.expect_quiet(&[]);
    }
}

/// Texts of a list, a line for each.
pub(crate) fn list(values: &Value) -> String {
    let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = values
        .iter()
        .map(|value| value.as_str().map_or(value.to_string(), ToOwned::to_owned));
    texts.collect::<Vec<_>>().join("\n")
}
