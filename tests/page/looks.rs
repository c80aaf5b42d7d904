//! How each view looks: by the rules of axe in light and dark, from the narrowest window to a wide
//! one, without moving by itself; and pictures of all of it for people to look at.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::browser::Browser;
use crate::database::Database;
use crate::on_both;
use crate::open_page::{OpenPage, VIEWS, list};
use crate::program::project;
use crate::server::Server;

/// A checker of accessibility, which is run within the page.
const AXE: &str = "tests/page/vendor/axe-core-4.14.1/axe.min.js";
const CHECK: &str = "
    const done = arguments[0];
    axe.run(document).then(({ passes, violations }) => done([
        ...violations.flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.target.join(' ')}: ${node.failureSummary}`)),
        ...(passes.length > 10 ? [] : [`axe looked at ${passes.length} rules only`]),
    ]), (error) => done([String(error)]));";

const SCHEMES: [&str; 2] = ["light", "dark"];
/// A phone, a desk.
const WIDTHS: [u32; 2] = [390, 1440];
/// The narrowest and the widest window that the page is made for.
const EXTREMES: [u32; 2] = [320, 2560];
/// How far the layout of a view may move by itself; from 0.1 on people are annoyed.
const SHIFT_MAX: f64 = 0.05;

/// Where a picture for the documents goes, when one is wanted.
const PICTURE: &str = "TICKBASE_PAGE_PICTURE";
/// When trading goes on, in the picture: 2022-05-20T20:00:00Z.
const AFTER_THE_BARS: i64 = 1_653_076_800;
const PICTURED: &str = "#/instrument/MSFT?frequency=5min&lines=sma_20,bollinger&panes=rsi";

on_both! {
    fn every_view_is_legible_for_everybody_at_every_width(db: &Database) {
        db.fill();
        let server = Server::start(db, &[]);
        let trin = server.instrument("TRIN");
        server.delete(&format!("/api/instruments/{trin}?cascade=true&by=desk&reason=nobody%20looks%20at%20it"));
        let page = OpenPage::of(&server);
        let folder = project().join("target/page-screenshots");
        // It looks the same on both.
        let is_pictured = db.backend() == "SQLite";
        std::fs::create_dir_all(&folder).expect("a directory");
        let axe = std::fs::read_to_string(project().join(AXE)).expect("it lies there");
        let mut times = Vec::new();
        let mut broken = Vec::new();
        for (view, address) in VIEWS {
            page.browser.resize(WIDTHS[1], 900);
            times.push((view, page.load(address)));
            broken.extend(page.moved(SHIFT_MAX).map(|moved| format!("{view}: {moved}")));
            page.browser.run(&axe, &[]);
            for scheme in SCHEMES {
                page.browser.colours(scheme);
                broken.extend(check(&page.browser, view, scheme));
                if is_pictured {
                    take_pictures(&page.browser, &folder, view, scheme);
                }
            }
            for width in EXTREMES.into_iter().chain(WIDTHS) {
                page.browser.resize(width, 900);
                broken.extend(overflow(&page.browser, view, width));
                broken.extend(cut_off(&page.browser, view, width));
            }
            page.expect_no_error();
        }
        assert!(broken.is_empty(), "{}", broken.join("\n"));
        // How fast it is depends on the machine: it is told, not held.
        println!("ready on {}: {times:.0?}", db.backend());
        if is_pictured {
            take_picture_for_documents(&page, &server);
        }
    }
}

fn check(browser: &Browser, view: &str, scheme: &str) -> Option<String> {
    let found = browser.run_async(CHECK, &[]);
    let is_clean = found.as_array().is_some_and(Vec::is_empty);
    (!is_clean).then(|| format!("{view}, {scheme}:\n{}", list(&found)))
}

fn take_pictures(browser: &Browser, folder: &Path, view: &str, scheme: &str) {
    for width in WIDTHS {
        browser.resize(width, 900);
        let picture = browser.picture();
        std::fs::write(folder.join(format!("{view}-{scheme}-{width}.png")), picture)
            .expect("a file");
    }
}

/// What sticks out of a window of this width.
fn overflow(browser: &Browser, view: &str, width: u32) -> Option<String> {
    let script = "
        const page = document.documentElement;
        if (page.scrollWidth <= page.clientWidth) return [];
        const wide = [...document.body.querySelectorAll('*')].filter((it) => !it.closest('.scroll')
            && (it.getBoundingClientRect().right > page.clientWidth + 1 || it.scrollWidth > it.clientWidth + 1));
        return [`${page.scrollWidth} px`, ...wide.slice(0, 12).map((it) => `${it.tagName}.${it.className}`)]";
    let found = browser.run(script, &[]);
    let fits = found.as_array().is_some_and(Vec::is_empty);
    (!fits).then(|| format!("{view} at {width} px scrolls sideways:\n{}", list(&found)))
}

/// Names that lead somewhere, and have less room than they need.
fn cut_off(browser: &Browser, view: &str, width: u32) -> Option<String> {
    let script = "
        return [...document.querySelectorAll('#view :is(td, th) a')].filter((link) => {
            const [name, cell] = [link, link.closest('td, th')].map((it) => it.getBoundingClientRect());
            return name.right > cell.right + 1;
        }).map((link) => link.innerText)";
    let found = browser.run(script, &[]);
    let fits = found.as_array().is_some_and(Vec::is_empty);
    (!fits).then(|| format!("{view} at {width} px cuts off:\n{}", list(&found)))
}

/// A view with bars of some days, in the places of a share, and an alert of the trades that follow.
fn take_picture_for_documents(page: &OpenPage, server: &Server) {
    let Some(file) = std::env::var_os(PICTURE) else {
        return;
    };
    let share = server.instrument("MSFT");
    server.put(
        &format!("/api/instruments/{share}"),
        &json!({"name": "Microsoft", "price_decimals": 2}),
    );
    let rule = json!({"name": "above 253", "instrument_id": share, "rule_type": "threshold",
        "condition": "above", "threshold": 253, "cooldown_seconds": 1_800});
    server.post("/api/rules", &rule);
    for minute in 0..50_i32 {
        let wave = f64::from(minute % 9 - 4) * 0.11;
        let price = 252.5 + f64::from(minute) * 0.03 + wave;
        server.trade("MSFT", AFTER_THE_BARS + i64::from(minute) * 60, price);
    }
    page.browser.colours("light");
    page.browser.resize(1280, 800);
    page.load(PICTURED);
    // Canvases are drawn after the data has come.
    std::thread::sleep(Duration::from_secs(1));
    let picture = page.browser.picture_of(1280, 800);
    std::fs::write(project().join(file), picture).expect("a file");
}
