//! The examples run on both backends, a second time on the same database too, and print what
//! their comments promise. The project examples/order-desk has tests of its own; the page of own
//! tables shows its files.
#![cfg(feature = "sqlite")] // As the examples themselves.

// Their `main` is not run here.
#[cfg(feature = "server")]
#[allow(dead_code)]
#[path = "../../examples/embed.rs"]
mod embed;
#[allow(dead_code)]
#[path = "../../examples/own_query.rs"]
mod own_query;

use crate::readme::text::{project, read};
use crate::support::{TestDatabase, on_both};

/// The totals are those of data/README.md.
const OWN_QUERY: &str = "\
ES: 20009 trades, volume 89406, from 1637.25 to 1642
  2013-09-03T10:27:00.000000Z  4659 trades, volume 19299
  2013-09-03T10:23:00.000000Z  3503 trades, volume 15878
  2013-09-03T10:29:00.000000Z  2758 trades, volume 13385
";

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// What a run prints below its first line, which names the backend and what was new.
fn printed(db: &TestDatabase, run: fn(&str, &mut Vec<u8>) -> Outcome, new: usize) -> String {
    let mut out = Vec::new();
    run(db.url(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(
        first.starts_with(if db.dir().is_some() {
            "Sqlite, "
        } else {
            "Postgres, "
        }),
        "{first}"
    );
    assert!(first.ends_with(&format!(": {new}")), "{first}");
    rest.to_owned()
}

on_both! {
    fn an_own_query_reads_the_sample(db: &TestDatabase) {
        let first = printed(db, own_query::run, 20_009);
        assert_eq!(first, OWN_QUERY);
        assert_eq!(printed(db, own_query::run, 0), first);
    }
}

#[cfg(feature = "server")]
const EMBED: &str = "\
/hello 200 trading desk: 0 instruments with a tick
/readyz 200 ready
/api/instruments/1 200 {\"id\":1,\"symbol\":\"ES\",\"name\":\"E-mini S&P 500\",\"type\":\"future
/nowhere 404 {\"detail\":\"there is nothing at /nowhere; /api/docs has what\u{20}
";

#[cfg(feature = "server")]
on_both! {
    fn the_api_is_mounted_in_a_foreign_application(db: &TestDatabase) {
        let mut out = Vec::new();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(embed::run(db.url(), &mut out)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), EMBED);
    }
}

#[test]
fn the_page_of_own_tables_shows_the_files_of_the_project() {
    // The package of a registry has no projects of others in it.
    if project().join("Cargo.toml.orig").exists() {
        return;
    }
    let page = read("docs/own-tables.md");
    for (language, file) in [
        ("toml", "diesel.toml"),
        ("toml", "diesel.postgres.toml"),
        ("diff", "src/schema.patch"),
    ] {
        let text = read(&format!("examples/order-desk/{file}"));
        let block = format!("```{language}\n{text}```\n");
        assert!(page.contains(&block), "the page has another {file}");
    }
    // The commands of CI, which scripts/check-example runs.
    let ci = read("examples/order-desk/.github/workflows/ci.yml");
    let (_, block) = page.split_once("```sh\n").unwrap();
    let block = block.split("```").next().unwrap();
    for command in block.lines() {
        assert!(ci.contains(&format!("- run: {command}\n")), "{command}");
    }
}
