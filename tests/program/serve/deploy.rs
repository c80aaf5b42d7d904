//! The files under `deploy/`: what they name is there.

use std::path::Path;

use crate::support::TestDatabase;
use crate::support::process::Serving;

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
    let serving = Serving::start(&TestDatabase::sqlite(), &[], &[]);
    let (status, exported) = serving.get("/metrics");
    assert_eq!(status, 200);
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let operations = std::fs::read_to_string(operations).unwrap();
    let alerts = file("alerts.yml");
    let expressions: Vec<&str> = alerts
        .lines()
        .filter(|line| line.contains("expr: "))
        .collect();
    assert_eq!(expressions.len(), 10);
    for name in metrics(&expressions.join("\n"))
        .into_iter()
        .chain(metrics(&operations))
    {
        let known = exported.contains(&format!("# TYPE {name} "));
        assert!(known, "{name} is not exported");
    }
    for label in [
        "status=\"unhealthy\"",
        "status=\"degraded\"",
        "check=\"wal_bytes\"",
    ] {
        assert!(exported.contains(label), "{label}");
    }
}
