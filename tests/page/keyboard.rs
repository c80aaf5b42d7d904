//! The page without a mouse: every link of the frame is reached by Tab in the order in which it is
//! seen, its focus is visible, and the switch of the time zone changes the times.

use crate::database::Database;
use crate::on_both;
use crate::open_page::OpenPage;
use crate::server::Server;

/// What has the focus, and whether that shows.
const FOCUSED: &str = "
    const it = document.activeElement;
    const style = getComputedStyle(it);
    const shows = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    return [it.innerText.trim(), shows]";

on_both! {
    fn everything_is_reached_by_keys_and_the_zone_changes_the_times(db: &Database) {
        db.fill();
        let server = Server::start(db, &[]);
        let page = OpenPage::of(&server);
        page.load("#/alerts");
        page.shows("2013-09-03 10:23:00");
        let mut reached = Vec::new();
        while !reached.iter().any(|name| name == "UTC") {
            assert!(reached.len() < 12, "{reached:?}");
            page.browser.press('\t');
            let focused = page.browser.run(FOCUSED, &[]);
            assert_eq!(focused[1], true, "the focus of {} does not show", focused[0]);
            reached.push(focused[0].as_str().expect("a text").to_owned());
        }
        let views = ["Prices", "Alerts", "Health", "Coverage", "Data"];
        let links: Vec<&String> = reached.iter().filter(|name| views.contains(&name.as_str())).collect();
        assert_eq!(links, views, "{reached:?}");
        assert_eq!(reached[0], "Skip to the content");

        // The focus is on the switch: in the summer of New York it is four hours less.
        page.browser.press('\r');
        page.shows("2013-09-03 06:23:00");
        assert!(!page.shown().contains("2013-09-03 10:23:00"), "{}", page.shown());
        page.browser.reload();
        page.ready("#/alerts");
        page.shows("2013-09-03 06:23:00");

        // The first Tab of a page leads past its links.
        page.browser.press('\t');
        page.browser.press('\r');
        assert_eq!(page.browser.text("document.activeElement.id"), "view");
        page.expect_no_error();
    }
}
