//! The header that carries how far the log was from one process to another.

use tickbase::database::FallbackCause;

use super::Cluster;
use crate::support::chaos::scaled;
use crate::support::eventually;
use crate::support::process::Serving;

const POSITION: &str = "tickbase-log-position";

/// The states of the replicas, as health has them.
fn states(serving: &Serving) -> Vec<String> {
    let health = serving.get("/api/health/database").1;
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    let replicas = health["connection_pool"]["replicas"].as_array().unwrap();
    let state = |of: &serde_json::Value| of["state"].as_str().unwrap().to_owned();
    replicas.iter().map(state).collect()
}

/// A client that writes by one process and reads by another one sends the position along.
#[test]
fn a_position_makes_what_one_process_has_written_show_in_another() {
    let cluster = Cluster::start();
    let urls = cluster.replica_urls().join(" ");
    let variables = [
        ("TICKBASE_POSTGRES_REPLICA_URLS", &*urls),
        ("TICKBASE_MONITORING_INTERVAL_SECONDS", "1"),
    ];
    let [writer, reader] = [(); 2].map(|()| Serving::start(&cluster.place, &[], &variables));
    for serving in [&writer, &reader] {
        eventually("both replicas are read", || {
            states(serving) == ["serving", "serving"]
        });
    }
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    for n in 0..scaled(50, 500) {
        let body = format!(r#"{{"symbol": "N{n}", "name": "n", "type": "fx"}}"#);
        let written = agent
            .post(format!("{}/api/instruments", writer.base()))
            .content_type("application/json")
            .send(body)
            .unwrap();
        assert_eq!(written.status(), 201);
        let position = written.headers()[POSITION].to_str().unwrap().to_owned();
        let made: serde_json::Value =
            serde_json::from_str(&written.into_body().read_to_string().unwrap()).unwrap();
        let id = format!("/api/instruments/{}", made["id"]);
        let read = agent
            .get(format!("{}{id}", reader.base()))
            .header(POSITION, &position)
            .call()
            .unwrap();
        assert_eq!(read.status(), 200, "{n}, {position}");
        let list = agent
            .get(format!("{}/api/instruments?limit=1000", reader.base()))
            .header(POSITION, &position)
            .call()
            .unwrap();
        let text = list.into_body().read_to_string().unwrap();
        assert!(text.contains(&format!("\"N{n}\"")), "{n}: {text}");
    }
    shown_and_refused(&reader, &agent);
    for serving in [writer, reader] {
        let ended = serving.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}

/// What is shown of replicas, and which positions are refused.
fn shown_and_refused(reader: &Serving, agent: &ureq::Agent) {
    let metrics = reader.get("/metrics").1;
    let samples = |name: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.count()
    };
    for (name, count) in [
        ("tickbase_replica_serving{", 2),
        ("tickbase_replica_lag_bytes{", 2),
        ("tickbase_replica_reads_total{", 2),
        ("tickbase_replica_connections{", 4),
        (
            "tickbase_replica_fallbacks_total{",
            FallbackCause::ALL.len(),
        ),
    ] {
        assert_eq!(samples(name), count, "{name} {metrics}");
    }
    // One that the database has not reached, and one that is none.
    for (position, reason) in [("FFFFFFFF/0", "behind all"), ("ten", "hexadecimal")] {
        let refused = agent
            .get(format!("{}/api/instruments", reader.base()))
            .header(POSITION, position)
            .call()
            .unwrap();
        assert_eq!(refused.status(), 422);
        let text = refused.into_body().read_to_string().unwrap();
        assert!(text.contains(reason) && text.contains(POSITION), "{text}");
    }
}
