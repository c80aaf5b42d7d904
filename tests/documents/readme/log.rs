//! The fields of the log that docs/operations.md names are those that the lines have.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::readme::text::{read, section};
use crate::support::process::Serving;
use crate::support::{TestDatabase, eventually};

const TOKEN: (&str, &str) = ("TICKBASE_SERVER_TOKEN", "a-token-of-a-test-01234");

const RULE: &str = r#"{"instrument_id":1,"name":"high","rule_type":"threshold","condition":"above","threshold":"1"}"#;
const TICK: &str = r#"[{"symbol":"ES","timestamp":"2013-09-03T10:23:00Z","price":1640}]"#;

/// The words in backticks of a text.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// The names in an object.
fn names(object: &Value) -> impl Iterator<Item = String> {
    object.as_object().unwrap().keys().cloned()
}

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn the_documented_fields_of_the_log_are_those_of_its_lines() {
    let page = read("docs/operations.md");
    let rows = section(&page, "The log").lines();
    let rows: Vec<(&str, &str)> = rows
        .filter_map(|row| row.strip_prefix("| ")?.split_once(" | "))
        .collect();
    let documented = |start: &str| {
        let row = rows.iter().find(|(cell, _)| cell.starts_with(start));
        words(row.unwrap_or_else(|| panic!("no row for {start}")).1)
    };
    let db = TestDatabase::sqlite();
    let serving = Serving::start(&db, &["--log-format", "json"], &[TOKEN]);
    let post = |path: &str, body: &str| {
        let request = ureq::post(format!("{}{path}", serving.base()));
        let request = request.header("authorization", format!("Bearer {}", TOKEN.1));
        let request = request.header("traceparent", TRACEPARENT);
        request.content_type("application/json").send(body).unwrap();
    };
    post("/api/rules", RULE);
    post("/api/market-data", TICK);
    eventually("the alert is logged", || {
        serving.logged("tickbase::alerts") > 0
    });
    eventually("the last answer is logged", || {
        serving.logged("answered") > 1
    });

    let log = serving.stop().log;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let tops: BTreeSet<String> = lines.iter().flat_map(names).collect();
    assert_eq!(tops, documented("every line"), "{log}");
    for target in ["tickbase::access", "tickbase::alerts"] {
        let of_target = lines.iter().filter(|line| line["target"] == target);
        let mut fields: BTreeSet<String> =
            of_target.flat_map(|line| names(&line["fields"])).collect();
        assert!(fields.remove("message"), "{target}: {log}");
        assert_eq!(fields, documented(&format!("`{target}`")), "{target}");
    }
}
