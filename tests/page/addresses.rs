//! The files of the page on the wire: what they permit a browser, and that it asks for none twice.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG};

use crate::database::Database;
use crate::on_both;
use crate::open_page::{OpenPage, VIEWS};
use crate::server::{Answer, Server};

/// The addresses of all that the page loaded or asked for.
const ASKED: &str =
    "return performance.getEntries().filter((it) => it.initiatorType).map((it) => it.name)";
/// The files that were sent anew, and not known already. Chromium takes icons always anew.
const SENT: &str = "return performance.getEntriesByType('resource')
    .filter((it) => it.name.includes('/page/') && !it.name.endsWith('/icon.svg') && it.encodedBodySize > 0 && it.transferSize > it.encodedBodySize)
    .map((it) => it.name)";

fn header(answer: &Answer, name: http::HeaderName) -> String {
    let value = answer
        .headers
        .get(&name)
        .unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("it is text").to_owned()
}

on_both! {
    fn the_page_asks_its_own_server_alone_and_for_no_file_twice(db: &Database) {
        db.fill();
        let server = Server::start(db, &[]);
        for path in ["/", "/page/main.js", "/page/page.css", "/page/views/prices.js"] {
            let first = server.ask(path, &[]);
            assert_eq!(first.status, 200, "{path}");
            let policy = header(&first, CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(header(&first, CACHE_CONTROL), "no-cache");
            let tag = header(&first, ETAG);
            let again = server.ask(path, &[("if-none-match", &tag)]);
            assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
            let other = server.ask(path, &[("if-none-match", "\"another\"")]);
            assert_eq!(other.status, 200, "{path}");
        }

        let page = OpenPage::of(&server);
        for (_, address) in VIEWS {
            page.load(address);
            let asked = page.browser.run(ASKED, &[]);
            for one in asked.as_array().expect("a list") {
                let one = one.as_str().expect("an address");
                let is_own = one.starts_with(&server.base()) || one.starts_with("blob:");
                assert!(is_own, "{address} asks for {one}");
            }
        }
        page.browser.reload();
        page.ready("#/trash");
        assert_eq!(page.browser.run(SENT, &[]), serde_json::json!([]));
        page.expect_no_error();
    }
}
