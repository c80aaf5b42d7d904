//! The files under `deploy/`: what they name is there.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::TestDatabase;
use crate::support::process::{PATIENCE, Serving};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words of a text that are names of metrics.
fn metrics(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        ["tickbase_", "db_client_"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    words.filter(is_metric).collect()
}

#[test]
fn every_metric_that_an_alert_or_a_page_names_is_exported() {
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let operations = std::fs::read_to_string(operations).unwrap();
    let alerts = file("alerts.yml");
    let expressions: Vec<&str> = alerts
        .lines()
        .filter(|line| line.contains("expr: "))
        .collect();
    assert_eq!(expressions.len(), 10);
    let mut wanted: Vec<String> = metrics(&expressions.join("\n"))
        .into_iter()
        .chain(metrics(&operations))
        .map(|name| format!("# TYPE {name} "))
        .collect();
    let labels = [
        "status=\"unhealthy\"",
        "status=\"degraded\"",
        "check=\"wal_bytes\"",
    ];
    wanted.extend(labels.map(str::to_owned));
    let db = TestDatabase::sqlite();
    let serving = Serving::start(&db, &[], &[]);
    // Some figures are there only after the first round of a service.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, exported) = serving.get("/metrics");
        assert_eq!(status, 200);
        wanted.retain(|name| !exported.contains(name));
        if wanted.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "not exported: {wanted:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
