//! `/api/alerts`.

use serde_json::{Value, json};
use tickbase::Timestamp;
use tickbase::domain::{Condition, DeliveryStatus, FiredStatus, RuleType};
use tickbase::models::{AlertRule, NewAlertLog, NewAlertRule};
use tickbase::repository::{alert_log, alert_rule};

use crate::api::client::Api;
use crate::support::{TestDatabase, db_write, on_both};

fn rule(api: &Api, instrument_id: i64, name: Option<&str>) -> AlertRule {
    let new = NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("1650".parse().unwrap()),
        name: name.map(str::to_owned),
        ..NewAlertRule::new(instrument_id, RuleType::Threshold)
    };
    db_write!(api.app.database(), |now| alert_rule::insert(&new, now)).unwrap()
}

/// A server that delivers nothing, so that an alert stays as it was stored.
fn undelivered(db: &TestDatabase) -> Api {
    Api::with(db, |settings| settings.alerts.channels.clear())
}

/// An alert of a rule, for a tick of this stamp.
fn alert(rule: &AlertRule, stamp: &str) -> NewAlertLog {
    NewAlertLog {
        timestamp: stamp.parse().unwrap(),
        source_id: 1,
        sequence: 0,
        rule_id: rule.id,
        instrument_id: rule.instrument_id,
        trigger_value: 1650.251249,
        threshold_value: Some(1650.0),
        fired_status: FiredStatus::Fired,
        delivery_status: DeliveryStatus::Pending,
        evaluation_time_us: 1_500,
        rule_condition: "above".to_owned(),
        alert_message: "Alert: high, \"very\" - Price 1650.2512 above threshold 1650.0000"
            .to_owned(),
        error_message: None,
    }
}

fn store(api: &Api, new: NewAlertLog) -> i64 {
    db_write!(api.app.database(), alert_log::insert(&new))
        .unwrap()
        .unwrap()
        .id
}

fn ids(page: &Value) -> Vec<i64> {
    let alerts = page["alerts"].as_array().unwrap().iter();
    alerts.map(|item| item["id"].as_i64().unwrap()).collect()
}

/// A moment before now, in days.
fn days_ago(api: &Api, days: i64) -> Timestamp {
    api.app
        .database()
        .clock()
        .now()
        .saturating_add_micros(-days * 86_400_000_000)
}

on_both! {
    fn an_alert_says_all_of_itself_and_outlives_its_rule(db: &TestDatabase) {
        let api = undelivered(db);
        let high = rule(&api, 1, Some("high"));
        let id = store(&api, alert(&high, "2013-09-03T10:23:00.074000Z"));
        let page = api.get("/api/alerts").json(200);
        let item = json!({"id": id, "timestamp": "2013-09-03T10:23:00.074000Z", "rule_id": high.id,
            "rule_name": "high", "instrument_id": 1, "instrument_symbol": "ES",
            "trigger_value": 1650.2512, "threshold_value": 1650.0, "fired_status": "fired",
            "delivery_status": "pending", "rule_condition": "above", "evaluation_time_ms": 1.5,
            "alert_message": "Alert: high, \"very\" - Price 1650.2512 above threshold 1650.0000",
            "silence_id": null, "acknowledged_at": null, "acknowledged_by": null,
            "acknowledgement_note": null, "trace_id": null});
        assert_eq!(page, json!({"alerts": [item], "total": 1, "has_more": false, "page": 1,
            "limit": 50, "next_cursor": null}));
        api.delete(&format!("/api/rules/{}", high.id)).json(200);
        api.put("/api/instruments/1", &json!({"price_decimals": 2})).json(200);
        api.delete("/api/instruments/1").json(200);
        let kept = api.get("/api/alerts").json(200)["alerts"][0].clone();
        assert_eq!(kept["rule_name"], "high");
        assert_eq!((&kept["instrument_symbol"], &kept["trigger_value"]), (&json!("ES"), &json!(1650.25)));
    }

    fn pages_by_number_and_by_cursor_are_the_same(db: &TestDatabase) {
        let api = undelivered(db);
        let high = rule(&api, 1, None);
        let mut expected: Vec<i64> = (0..7)
            .map(|n| {
                let stamp = format!("2013-09-03T10:23:0{}Z", n / 3);
                store(&api, NewAlertLog { sequence: n, ..alert(&high, &stamp) })
            })
            .collect();
        expected.reverse();
        let mut cursor = None::<String>;
        for (number, ids_of_page) in expected.chunks(3).enumerate() {
            let number = number + 1;
            let by_number = api.get(&format!("/api/alerts?per_page=3&page={number}")).json(200);
            assert_eq!(ids(&by_number), ids_of_page);
            assert_eq!(by_number["total"], 7);
            assert_eq!(by_number["page"], number);
            assert_eq!(by_number["has_more"], number < 3);
            if let Some(cursor) = cursor {
                let by_cursor =
                    api.get(&format!("/api/alerts?per_page=3&cursor={cursor}")).json(200);
                assert_eq!(by_cursor["alerts"], by_number["alerts"]);
                assert_eq!(by_cursor["next_cursor"], by_number["next_cursor"]);
                assert_eq!((&by_cursor["total"], &by_cursor["page"]), (&Value::Null, &Value::Null));
            }
            cursor = by_number["next_cursor"].as_str().map(str::to_owned);
        }
        assert_eq!(cursor, None);
        let beyond = api.get("/api/alerts?per_page=3&page=4").json(200);
        assert_eq!((ids(&beyond).len(), &beyond["total"]), (0, &json!(7)));
        assert_eq!(ids(&api.get("/api/alerts?page=9223372036854775807").json(200)).len(), 0);
        for query in ["page=0", "page=-1", "page=9223372036854775808", "per_page=0", "per_page=1001", "cursor=x",
            "fired_status=lost", "delivery_status=x", "start_date=soon", "end_date=2013-13-01",
            "start_date=2013-09-03T00:00:00.000000Z", "colour=red", "instrument_id=x"] {
            let said = api.get(&format!("/api/alerts?{query}")).detail(422);
            let name = query.split('=').next().unwrap();
            assert!(said.starts_with(&format!("query.{name}: ")), "{query}: {said}");
        }
        let both = api.get("/api/alerts?page=1&cursor=1.1").detail(422);
        assert!(both.contains("page is given too"), "{both}");
        let turned = api.get("/api/alerts?start_date=2013-09-02&end_date=2013-09-01").detail(422);
        assert!(turned.starts_with("query.start_date: "), "{turned}");
    }

    fn filters_narrow_lists_and_exports_alike(db: &TestDatabase) {
        let api = undelivered(db);
        let (one, two) = (rule(&api, 1, None), rule(&api, 2, Some("two")));
        let a = store(&api, alert(&one, "2013-09-01T00:00:00.000000Z"));
        let b = store(&api, alert(&two, "2013-09-01T23:59:59.999999Z"));
        let c = store(&api, alert(&two, "2013-09-02T00:00:00.000000Z"));
        let failed = NewAlertLog {
            fired_status: FiredStatus::Error,
            delivery_status: DeliveryStatus::Failed,
            ..alert(&one, "2013-09-03T12:00:00.000000Z")
        };
        let d = store(&api, failed);
        let gone = store(&api, alert(&one, "2013-09-02T12:00:00.000000Z"));
        api.delete(&format!("/api/alerts/{gone}")).json(200);
        let of_rule = format!("rule_id={}", two.id);
        for (query, expected) in [
            ("", &[d, c, b, a][..]),
            ("instrument_id=1", &[d, a]),
            (&of_rule, &[c, b]),
            ("fired_status=error", &[d]),
            ("delivery_status=pending", &[c, b, a]),
            ("start_date=2013-09-02", &[d, c]),
            ("end_date=2013-09-01", &[b, a]),
            ("start_date=2013-09-01&end_date=2013-09-01", &[b, a]),
            ("start_date=2013-09-02&end_date=2013-09-02&instrument_id=1", &[]),
        ] {
            let page = api.get(&format!("/api/alerts?{query}")).json(200);
            assert_eq!((ids(&page), &page["total"]), (expected.to_vec(), &json!(expected.len())), "{query}");
            let export = api.get(&format!("/api/alerts/export?{query}"));
            assert_eq!(export.status, 200);
            let exported: Vec<i64> = export.text().lines().skip(1)
                .map(|line| line.split(',').next().unwrap().parse().unwrap())
                .collect();
            assert_eq!(exported, expected, "{query}");
        }
        assert!(api.get("/api/alerts/export?page=1").detail(422).starts_with("query.page: "));
    }

    fn an_export_is_csv_and_has_every_page(db: &TestDatabase) {
        let api = undelivered(db);
        let high = rule(&api, 1, Some("high, \"very\""));
        store(&api, NewAlertLog { threshold_value: None, ..alert(&high, "2013-09-01T00:00:00.000000Z") });
        let many: Vec<NewAlertLog> = (0..2_500)
            .map(|n| NewAlertLog { sequence: n, ..alert(&high, "2013-09-03T10:23:00.000000Z") })
            .collect();
        api.app.database().write("test.alerts", move |conn| {
            for new in &many {
                tickbase::repository::alert_log::insert(conn, new)?;
            }
            Ok(())
        }).unwrap();
        let export = api.get("/api/alerts/export");
        assert_eq!(export.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(export.header("content-disposition"), Some("attachment; filename=\"alerts.csv\""));
        let text = export.text();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 2_502);
        assert_eq!(lines[0], "id,timestamp,rule_id,rule_name,instrument_id,instrument_symbol,\
            trigger_value,threshold_value,fired_status,delivery_status,rule_condition,\
            evaluation_time_ms,alert_message");
        let rule_id = high.id;
        assert_eq!(lines[2_501], format!("1,2013-09-01T00:00:00.000000Z,{rule_id},\"high, \"\"very\"\"\",1,\
            ES,1650.2512,,fired,pending,above,1.5,\"Alert: high, \"\"very\"\" - Price 1650.2512 \
            above threshold 1650.0000\""));
    }

    fn an_export_has_no_formula_for_a_spreadsheet(db: &TestDatabase) {
        let api = undelivered(db);
        let formula = rule(&api, 1, Some("=HYPERLINK(\"http://evil.example\")"));
        let alert = alert(&formula, "2013-09-01T00:00:00.000000Z");
        store(&api, NewAlertLog {
            trigger_value: -5.25,
            threshold_value: Some(-1.5),
            alert_message: "@SUM(A1)".to_owned(),
            ..alert
        });
        let line = api.get("/api/alerts/export").text().lines().nth(1).unwrap().to_owned();
        assert!(line.contains(",\"'=HYPERLINK(\"\"http://evil.example\"\")\",1,ES,-5.25,-1.5,"), "{line}");
        assert!(line.ends_with(",'@SUM(A1)"), "{line}");
    }

    fn figures_are_of_the_last_days_and_without_what_was_deleted(db: &TestDatabase) {
        let api = undelivered(db);
        let empty = api.get("/api/alerts/stats").json(200);
        assert_eq!(empty, json!({"total_alerts_today": 0, "total_alerts_this_week": 0,
            "avg_evaluation_time_ms": null, "fastest_evaluation_ms": null,
            "slowest_evaluation_ms": null, "alerts_by_instrument": {}, "alerts_by_rule_type": {}}));
        let (one, two) = (rule(&api, 1, None), rule(&api, 2, None));
        for (of, days, micros) in [(&one, 0, 1_000), (&one, 0, 2_000), (&two, 2, 6_000), (&two, 8, 9_000)] {
            let new = NewAlertLog {
                timestamp: days_ago(&api, days),
                sequence: micros,
                evaluation_time_us: micros,
                ..alert(of, "2013-09-01T00:00:00.000000Z")
            };
            store(&api, new);
        }
        let gone = store(&api, NewAlertLog { timestamp: days_ago(&api, 0), ..alert(&two, "2013-09-01T00:00:00.000000Z") });
        api.delete(&format!("/api/alerts/{gone}")).json(200);
        let figures = api.get("/api/alerts/stats").json(200);
        assert_eq!(figures, json!({"total_alerts_today": 2, "total_alerts_this_week": 3,
            "avg_evaluation_time_ms": 3.0, "fastest_evaluation_ms": 1.0,
            "slowest_evaluation_ms": 6.0, "alerts_by_instrument": {"ES": 2, "NQ": 1},
            "alerts_by_rule_type": {"threshold": 3}}));
    }

    fn an_alert_is_deleted_and_restored(db: &TestDatabase) {
        let api = undelivered(db);
        let high = rule(&api, 1, None);
        let id = store(&api, alert(&high, "2013-09-03T10:23:00.000000Z"));
        let before = api.get("/api/alerts").json(200)["alerts"][0].clone();
        let path = format!("/api/alerts/{id}");
        let deleted = api.delete(&path).json(200);
        assert_eq!(deleted["message"], format!("Alert {id} deleted successfully"));
        assert!(api.delete(&path).detail(404).starts_with(&format!("alert {id} not found")));
        assert_eq!(api.get("/api/alerts").json(200)["total"], 0);
        let restored = api.post(&format!("{path}/restore"), &json!({})).json(200);
        assert_eq!(restored, before);
        assert_eq!(api.get("/api/alerts").json(200)["total"], 1);
        assert_eq!(api.post("/api/alerts/99/restore", &json!({})).status, 404);
    }
}
