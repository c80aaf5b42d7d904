//! `rules`, `alerts` and `replay`.

use serde_json::{Value, json};

use super::{Files, run, sample, says};
use crate::support::{db_write, on_both};

/// Rules of several types; the sample's prices are 1637.25 to 1642.
const RULES: &str = r#"
[[rules]]
symbol = "ES"
name = "high"
condition = "above"
threshold = 1641.75
cooldown_seconds = 600

[[rules]]
symbol = "es"
condition = "crosses_below"
moving_average_period = 20
cooldown_seconds = 300

[[rules]]
symbol = "NQ"
name = "both"
expression.all = [
    { condition = "above", threshold = "3100" },
    { condition = "volume_above", threshold = 100 },
]
"#;

on_both! {
    fn rules_are_added_listed_and_removed(db: &TestDatabase) {
        says(run(db, &["rules", "list"]).out, "there are no rules");
        let added = run(db, &["rules", "add", "--symbol", "es", "--condition", "above",
            "--threshold", "1650.25", "--cooldown", "5", "--json"]).json();
        assert_eq!((&added["symbol"], &added["rule_type"]), (&json!("ES"), &json!("threshold")));
        let id = added["id"].to_string();
        let second = run(db, &["rules", "add", "--symbol", "CL", "--condition", "crosses_below",
            "--threshold", "-37.63", "--name", "below zero"]);
        assert!(second.out.contains("below zero"), "{second:?}");
        let listed = run(db, &["rules", "list"]).out;
        assert!(listed.contains("above 1650.25") && listed.contains("below zero"), "{listed}");
        let of_es = run(db, &["rules", "list", "--symbol", "ES", "--json"]).json();
        assert_eq!(of_es, json!([added]));
        let slip = run(db, &["rules", "remove", &id, "99"]);
        assert!(slip.failure().contains("rule 99 not found"), "{slip:?}");
        assert_eq!(run(db, &["rules", "list", "--json"]).json().as_array().unwrap().len(), 2);
        let removed = run(db, &["rules", "remove", &id]).out;
        assert!(removed.starts_with("removed 1 rule(s); `tickbase undo "), "{removed}");
        assert_eq!(run(db, &["rules", "list", "--json"]).json().as_array().unwrap().len(), 1);
    }

    fn a_rule_that_cannot_be_is_refused(db: &TestDatabase) {
        for (arguments, said) in [
            (&["--symbol", "NOSUCH", "--condition", "above", "--threshold", "1"][..],
                "instrument NOSUCH not found"),
            (&["--symbol", "ES", "--condition", "above"], "threshold: a threshold rule needs it"),
            (&["--symbol", "ES", "--condition", "above", "--threshold", "1.12x"],
                "--threshold: "),
            (&["--symbol", "ES", "--condition", "above", "--threshold", "1", "--cooldown", "4000"],
                "cooldown_seconds: 4000 is out of range"),
            (&["--symbol", "ES", "--expression", "{}"], "expression: "),
        ] {
            let done = run(db, &[&["rules", "add"], arguments].concat());
            assert!(done.failure().contains(said), "{done:?}");
        }
        assert_eq!(run(db, &["rules", "add", "--symbol", "ES"]).code, Some(2));
        assert_eq!(run(db, &["rules", "list", "--json"]).json(), json!([]));
    }

    fn a_file_is_added_as_a_whole_or_not_at_all(db: &TestDatabase) {
        let files = Files::new();
        for (bad, said) in [
            ("symbol = 'ES'\ncondition = 'above'", "rule 4: threshold: a threshold rule needs it"),
            ("symbol = 'NOSUCH'\nname = 'x'\ncondition = 'above'\nthreshold = 1",
                "instrument NOSUCH not found"),
            ("symbol = 'ES'\ncondition = 'above'\nthreshold = 1e309", "rule 4"),
        ] {
            let path = files.write("bad.toml", format!("{RULES}\n[[rules]]\n{bad}\n"));
            let done = run(db, &["rules", "import", &path]);
            assert!(done.failure().contains(said), "{done:?}");
            assert!(done.failure().contains("rule 4"), "{done:?}");
            assert_eq!(run(db, &["rules", "list", "--json"]).json(), json!([]));
        }
        let path = files.write("rules", RULES);
        assert!(run(db, &["rules", "import", &path]).failure().contains("--format"));
        let done = run(db, &["rules", "import", &path, "--format", "toml", "--json"]).json();
        assert_eq!(done, json!({"read": 3, "added": 3, "unchanged": 0}));
        let again = run(db, &["rules", "import", &path, "--format", "toml", "--json"]).json();
        assert_eq!(again, json!({"read": 3, "added": 0, "unchanged": 3}));
    }

    fn what_is_exported_reads_back(db: &TestDatabase) {
        let files = Files::new();
        let path = files.write("rules.toml", RULES);
        run(db, &["rules", "import", &path, "--json"]).json();
        let stored = without_moments(run(db, &["rules", "list", "--json"]).json());
        for name in ["out.toml", "out.json"] {
            let out = files.path(name);
            let out = out.to_str().unwrap();
            assert_eq!(run(db, &["rules", "export", out, "--json"]).json(), json!({"exported": 3}));
            let again = run(db, &["rules", "import", out, "--json"]).json();
            assert_eq!(again, json!({"read": 3, "added": 0, "unchanged": 3}), "{name}");
            for rule in run(db, &["rules", "list", "--json"]).json().as_array().unwrap() {
                run(db, &["rules", "remove", &rule["id"].to_string()]);
            }
            run(db, &["rules", "import", out, "--json"]).json();
            assert_eq!(without_moments(run(db, &["rules", "list", "--json"]).json()), stored);
        }
        let printed = run(db, &["rules", "export"]).out;
        assert!(printed.contains("[[rules]]"), "{printed}");
    }

    fn a_replay_shows_what_would_have_fired_and_writes_nothing(db: &TestDatabase) {
        let files = Files::new();
        let path = files.write("rules.toml", RULES);
        run(db, &["import", &sample(), "--symbol", "ES", "--json"]).json();
        let before = crate::cli::contents(db);
        let none = run(db, &["replay", "--symbol", "ES"]);
        assert!(none.failure().contains("active rule of ES not found"), "{none:?}");

        let of_file = replay(db, &["--rules", &path]);
        assert_eq!((&of_file["rules"], &of_file["ticks"]), (&json!(2), &json!(20_009)));
        let fired = of_file["fired"].as_array().unwrap();
        assert!(fired.len() > 2, "{of_file}");
        assert!(fired.iter().all(|it| it["rule"] == 1 || it["rule"] == 2), "{of_file}");
        let high = fired.iter().find(|it| it["rule"] == 1).unwrap();
        assert!(high["message"].as_str().unwrap().starts_with("Alert: high - Price 164"), "{high}");
        assert_eq!(crate::cli::contents(db), before);
        assert_eq!(run(db, &["alerts", "list", "--json"]).json(),
            json!({"alerts": [], "has_more": false}));

        // The same rules, stored, fire the same.
        run(db, &["rules", "import", &path, "--json"]).json();
        let stored = replay(db, &[]);
        let messages = |report: &Value| -> Vec<Value> {
            let fired = report["fired"].as_array().unwrap().iter();
            fired.map(|it| json!([it["timestamp"], it["sequence"], it["message"]])).collect()
        };
        assert_eq!(messages(&stored), messages(&of_file));
        let text = run(db, &["replay", "--symbol", "ES"]).out;
        assert!(text.contains(" firings of 2 rules over 20,009 ticks of ES"), "{text}");
        let from = fired[fired.len() / 2]["timestamp"].as_str().unwrap();
        let later = replay(db, &["--from", from]);
        assert!(later["warm_up_ticks"].as_u64().unwrap() > 0, "{later}");
        assert!(later["ticks"].as_u64().unwrap() < 20_009, "{later}");
        let turned = run(db, &["replay", "--symbol", "ES", "--from", "2014-01-01", "--to", "2013-01-01"]);
        assert_eq!(turned.code, Some(2));
        let unknown = files.write("unknown.json",
            r#"[{"symbol": "NOSUCH", "condition": "above", "threshold": 1}]"#);
        let refused = run(db, &["replay", "--symbol", "ES", "--rules", &unknown]);
        assert!(refused.failure().contains("instrument NOSUCH not found"), "{refused:?}");
    }

    fn alerts_are_listed_and_counted(db: &TestDatabase) {
        says(run(db, &["alerts", "list"]).out, "there are no alerts");
        let stats = run(db, &["alerts", "stats", "--json"]).json();
        assert_eq!(stats["total_alerts_today"], 0);
        store_alerts(db);
        let listed = run(db, &["alerts", "list", "--limit", "2", "--json"]).json();
        assert_eq!(listed["has_more"], true);
        let alerts = listed["alerts"].as_array().unwrap();
        assert_eq!(alerts.len(), 2);
        assert_eq!((&alerts[0]["symbol"], &alerts[0]["rule_name"]), (&json!("ES"), &json!("high")));
        let text = run(db, &["alerts", "list", "--symbol", "ES"]).out;
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| line.contains("  Alert: high")), "{text}");
        assert_eq!(run(db, &["alerts", "list", "--symbol", "NQ", "--json"]).json()["alerts"], json!([]));
        let stats = run(db, &["alerts", "stats", "--json"]).json();
        assert_eq!(stats["total_alerts_this_week"], 3);
        assert_eq!(stats["alerts_by_instrument"], json!({"ES": 3}));
        assert_eq!(stats["alerts_by_rule_type"], json!({"threshold": 3}));
        let text = run(db, &["alerts", "stats"]).out;
        assert!(text.contains("by threshold") && text.contains("of ES"), "{text}");
    }
}

/// The report of a replay; a busy machine may find one of its statements slow, and warn.
fn replay(db: &crate::support::TestDatabase, arguments: &[&str]) -> Value {
    let first = ["--log-level", "error", "replay", "--symbol", "ES", "--json"];
    run(db, &[&first, arguments].concat()).json()
}

fn without_moments(mut rules: Value) -> Vec<Value> {
    for rule in rules.as_array_mut().unwrap() {
        let rule = rule.as_object_mut().unwrap();
        rule.remove("id");
        rule.remove("created_at");
    }
    let mut rules = rules.as_array().unwrap().clone();
    rules.sort_by_key(Value::to_string);
    rules
}

/// Stores three alerts of a rule, now.
fn store_alerts(db: &crate::support::TestDatabase) {
    use tickbase::config::DatabaseConfig;
    use tickbase::database::Database;
    use tickbase::domain::{Condition, DeliveryStatus, FiredStatus, RuleType};
    use tickbase::models::{NewAlertLog, NewAlertRule};
    use tickbase::repository::{alert_log, alert_rule};

    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    let rule = NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("1650".parse().unwrap()),
        name: Some("high".to_owned()),
        ..NewAlertRule::new(1, RuleType::Threshold)
    };
    let rule = db_write!(database, |now| alert_rule::insert(&rule, now)).unwrap();
    for sequence in 0..3 {
        let new = NewAlertLog {
            timestamp: database.clock().now(),
            source_id: 1,
            sequence,
            rule_id: rule.id,
            instrument_id: 1,
            trigger_value: 1650.25,
            threshold_value: Some(1650.0),
            fired_status: FiredStatus::Fired,
            delivery_status: DeliveryStatus::Pending,
            evaluation_time_us: 3,
            rule_condition: "above".to_owned(),
            alert_message: "Alert: high - Price 1650.25 above threshold 1650.0000".to_owned(),
            error_message: None,
        };
        db_write!(database, alert_log::insert(&new))
            .unwrap()
            .unwrap();
    }
    database.close();
}
