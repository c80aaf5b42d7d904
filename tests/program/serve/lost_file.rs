//! The database file of a server is deleted and comes back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::TestDatabase;
use crate::support::process::Serving;

/// One tick, of this second.
fn tick(second: u32) -> String {
    format!(r#"{{"symbol": "ES", "timestamp": "2024-01-01T00:00:{second:02}Z", "price": 1.5}}"#)
}

fn health(serving: &Serving) -> (u16, Value) {
    let (status, body) = serving.get("/api/health");
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn writes_are_refused_while_the_file_is_gone_and_health_says_why() {
    let db = TestDatabase::sqlite();
    let path = Path::new(db.url());
    let serving = Serving::start(&db, &[], &[]);
    let post = |second| serving.post("/api/market-data", &format!("[{}]", tick(second)));
    assert_eq!(post(1).0, 200);
    assert_eq!(health(&serving).1["problem"], Value::Null);
    let kept = path.with_extension("kept");
    fs::hard_link(path, &kept).unwrap();
    fs::remove_file(path).unwrap();
    // A commit goes ahead on a look of the last 10 ms, of which the probe may have had one.
    std::thread::sleep(Duration::from_millis(20));

    let (status, body) = post(2);
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("bring the file back"), "{body}");
    assert!(!body.contains("test.db"), "{body}");
    // An answer may stand on a probe of half a second ago.
    crate::support::eventually("health is bad", || health(&serving).0 == 503);
    let (_, body) = health(&serving);
    assert_eq!(body["status"], "unhealthy");
    let problem = body["problem"].as_str().unwrap();
    assert!(
        problem.contains("deleted") && !problem.contains("test.db"),
        "{problem}"
    );
    assert!(!path.exists());

    fs::rename(&kept, path).unwrap();
    assert_eq!(post(3).0, 200);
    crate::support::eventually("health is good", || health(&serving).0 == 200);
    let ended = serving.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("deleted or moved away"), "{}", ended.log);
    let stored = db.texts("SELECT strftime('%S', \"timestamp\" / 1000000, 'unixepoch') AS text FROM market_data ORDER BY 1");
    assert_eq!(stored, ["01", "03"]);
}
