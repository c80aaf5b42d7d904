//! The files under `deploy/`: what they name is there. `scripts/check-operations` tries them with the
//! programs that they are for.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::TestDatabase;
use crate::support::process::{PATIENCE, Serving};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The panels of the dashboard, without the rows that they stand in.
fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&file("grafana.json")).unwrap();
    let mut panels = dashboard["panels"].as_array().unwrap().clone();
    panels.retain(|panel| panel["type"] != "row");
    panels
}

/// The queries of the dashboard, without what is in braces: labels have names like metrics.
fn queries() -> Vec<String> {
    let panels = panels();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let pieces = targets.flat_map(|target| target["expr"].as_str().unwrap().split('{'));
    pieces
        .map(|piece| piece.rsplit('}').next().unwrap().to_owned())
        .collect()
}

/// The name of a family: a histogram's samples have an ending more.
fn family(name: &str) -> &str {
    ["_bucket", "_count"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
}

/// The words of a text that are names of metrics.
fn metrics(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        ["tickbase_", "db_client_", "http_server_", "process_"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    words.filter(is_metric).collect()
}

#[test]
fn every_metric_that_an_alert_a_panel_or_a_page_names_is_exported() {
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let operations = std::fs::read_to_string(operations).unwrap();
    let alerts = file("alerts.yml");
    let expressions: Vec<&str> = alerts
        .lines()
        .filter(|line| line.contains("expr: "))
        .collect();
    assert_eq!(expressions.len(), 11);
    let mut wanted: Vec<String> = metrics(&expressions.join("\n"))
        .into_iter()
        // Those of replicas are there where a database has some: a test of replicas looks for them.
        .chain(
            metrics(&operations)
                .into_iter()
                .filter(|name| !name.starts_with("tickbase_replica_")),
        )
        .chain(metrics(&queries().join("\n")))
        .map(|name| format!("# TYPE {} ", family(name)))
        .collect();
    let labels = [
        "status=\"unhealthy\"",
        "status=\"degraded\"",
        "check=\"wal_bytes\"",
    ];
    wanted.extend(labels.map(str::to_owned));
    let db = TestDatabase::sqlite();
    let backups = db.dir().unwrap().join("backups");
    let settings = [
        ("TICKBASE_MONITORING_INTERVAL_SECONDS", "1"),
        ("TICKBASE_BACKUP_DIRECTORY", backups.to_str().unwrap()),
    ];
    let serving = Serving::start(&db, &[], &settings);
    // Some figures are of the ticks between two rounds.
    let tick = format!(
        r#"[{{"symbol":"ES","timestamp":{},"price":1640}}]"#,
        1_378_202_400_000_000_u64
    );
    assert_eq!(serving.post("/api/market-data", &tick).0, 200);
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

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let panels = panels();
    assert!(panels.len() > 20, "{}", panels.len());
    for panel in panels {
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(
            description.ends_with('.') && !description.contains('\n'),
            "{panel}"
        );
        for said in [&panel["title"], &panel["fieldConfig"]["defaults"]["unit"]] {
            assert!(
                said.as_str().is_some_and(|text| !text.is_empty()),
                "{panel}"
            );
        }
        // The datasource is chosen in Grafana, as the instances are.
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("instance=~\"$instance\""), "{query}");
        }
    }
}

#[test]
fn the_unit_runs_what_the_page_installs() {
    let unit = file("tickbase.service");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (installed, run) in [
        (
            "target/release/tickbase /usr/local/bin/\n",
            "ExecStart=/usr/local/bin/tickbase ",
        ),
        (
            "tickbase.toml /etc/tickbase/\n",
            " --config /etc/tickbase/tickbase.toml serve\n",
        ),
        (
            "--home-dir /var/lib/tickbase tickbase\n",
            "User=tickbase\nGroup=tickbase\n",
        ),
    ] {
        assert!(
            page.contains(installed),
            "the page does not say {installed:?}"
        );
        assert!(unit.contains(run), "the unit does not say {run:?}");
    }
}
