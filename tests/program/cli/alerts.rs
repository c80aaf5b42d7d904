//! `alerts resend`: what was given up is due again; `alerts test-channel`: a trial of a channel.

use std::time::Duration;

use serde_json::json;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{ChannelKind, Condition, DeliveryStatus, FiredStatus, RuleType};
use tickbase::models::{NewAlertLog, NewAlertRule};
use tickbase::repository::alert_delivery::{self, ChannelKey, Claim, DeliveryOutcome, Tried};
use tickbase::repository::{alert_log, alert_rule};

use super::{Files, contents, run, says};
use crate::support::receiver::{Receiver, Reply};
use crate::support::{TestDatabase, db_write, on_both};

/// Stores alerts that were given up on both of their channels; returns their ids.
fn given_up(db: &TestDatabase, count: i64) -> Vec<i64> {
    let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
    let rule = NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("100".parse().unwrap()),
        ..NewAlertRule::new(1, RuleType::Threshold)
    };
    let rule = db_write!(database, |now| alert_rule::insert(&rule, now))
        .unwrap()
        .id;
    let alert = move |n: i64| NewAlertLog {
        timestamp: tickbase::Timestamp::from_micros(n).unwrap(),
        source_id: 1,
        sequence: 0,
        rule_id: rule,
        instrument_id: 1,
        trigger_value: 101.5,
        threshold_value: Some(100.0),
        fired_status: FiredStatus::Fired,
        delivery_status: DeliveryStatus::Pending,
        evaluation_time_us: 3,
        rule_condition: "above".to_owned(),
        alert_message: "Alert".to_owned(),
        error_message: None,
    };
    let ids = (1..=count).map(|n| {
        db_write!(database, alert_log::insert(&alert(n)))
            .unwrap()
            .unwrap()
            .id
    });
    let ids: Vec<i64> = ids.collect();
    let channels = ["ops", "hook"].map(|name| ChannelKey {
        name: name.to_owned(),
        kind: ChannelKind::Webhook,
    });
    let dead = |claim: &Claim| Tried {
        delivery_id: claim.delivery.id,
        alert_id: claim.delivery.alert_id,
        attempts: claim.delivery.attempts,
        outcome: DeliveryOutcome::Dead {
            error: "answered 404".to_owned(),
        },
    };
    let given_up = database.write("test.give_up", move |conn| {
        let now = conn.shared_now()?;
        alert_delivery::enqueue(conn, &channels, now, 100)?;
        for channel in &channels {
            let lease = Duration::from_secs(60);
            let claims = alert_delivery::claim(conn, &channel.name, now, lease, 100)?;
            let tried: Vec<Tried> = claims.iter().map(dead).collect();
            alert_delivery::record(conn, &tried, now)?;
        }
        Ok(())
    });
    given_up.unwrap();
    database.close();
    ids
}

fn dead(db: &TestDatabase) -> usize {
    let dead = "SELECT channel AS text FROM alert_deliveries WHERE status = 'dead'";
    db.texts(dead).len()
}

on_both! {
    fn dead_letters_are_sent_again_by_alert_by_channel_or_all(db: &TestDatabase) {
        let ids = given_up(db, 3);
        let first = ids[0].to_string();
        let resend = |arguments: &[&str]| run(db, &[&["alerts", "resend"], arguments].concat());
        let dry = resend(&["--all", "--dry-run", "--json"]).json();
        assert_eq!((&dry["dry_run"], &dry["resent"]), (&json!(true), &json!(6)));
        let one = &dry["deliveries"][0];
        assert_eq!((&one["alert_id"], &one["last_error"]), (&json!(ids[2]), &json!("answered 404")));
        let listed = resend(&[&first, "--dry-run"]).out;
        assert!(listed.contains("answered 404") && listed.contains("2 deliveries would be"), "{listed}");
        assert_eq!(dead(db), 6, "a dry run changes nothing");

        let of_one = resend(&[&first, "--channel", "hook", "--json"]).json();
        assert_eq!(of_one, json!({"dry_run": false, "resent": 1}));
        assert_eq!(dead(db), 5);
        let slip = resend(&[&first, "999"]);
        assert!(slip.failure().contains("alert 999 not found"), "{slip:?}");
        assert_eq!(dead(db), 5, "nothing is sent by halves");
        says(resend(&["--channel", "ops"]).out,
            "3 deliveries are due again: a running `tickbase serve` tries them");
        assert_eq!(resend(&["--all", "--json"]).json()["resent"], 2);
        assert_eq!(dead(db), 0);
        says(resend(&["--all"]).out, "none of these deliveries was given up: there is nothing to send again");
        let due = "SELECT channel AS text FROM alert_deliveries WHERE status = 'pending' AND attempts = 0 \
                   AND next_attempt_at IS NOT NULL AND completed_at IS NULL";
        assert_eq!(db.texts(due).len(), 6);
        let status = "SELECT delivery_status AS text FROM alert_logs WHERE delivery_completed_at IS NULL";
        assert_eq!(db.texts(status), ["pending"; 3]);
    }

    fn which_ones_must_be_said(db: &TestDatabase) {
        for arguments in [&[][..], &["--dry-run"], &["1", "--all"]] {
            let done = run(db, &[&["alerts", "resend"], arguments].concat());
            assert_eq!(done.code, Some(2), "{done:?}");
        }
    }

    fn a_trial_of_a_channel_stores_nothing_and_tells_by_its_exit(db: &TestDatabase) {
        let receiver = Receiver::new(|n| match n {
            0 | 1 => Reply::Status(204),
            _ => Reply::Full(401, String::new(), b"no 123456:AAE-x_Y9zz".to_vec()),
        });
        let url = receiver.url().replace("hooks/t0ken", "bot123456:AAE-x_Y9zz/sendMessage");
        let files = Files::new();
        let config = files.write("tickbase.toml", format!(
            "[[alerts.channels]]\nname = 'desk'\nkind = 'webhook'\ntemplate = 'telegram'\n\
             url = '{url}'\nvariables = {{ chat_id = 7 }}\n"
        ));
        let before = contents(db);
        let trial = |arguments: &[&str]| {
            run(db, &[&["alerts", "test-channel", "--config", &config], arguments].concat())
        };
        let told = trial(&["desk"]);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
        assert!(told.out.starts_with("desk answered 204 in ") && told.out.trim_end().ends_with(" ms"), "{told:?}");
        assert_eq!(receiver.wait_for(1)[0].json()["chat_id"], 7);
        let json = trial(&["desk", "--json"]).json();
        assert_eq!((&json["accepted"], &json["status"], &json["failure"]), (&json!(true), &json!(204), &json!(null)));
        let refused = trial(&["desk"]);
        let says = "tickbase: desk did not take the sample alert: answered 401: no *** (after ";
        assert!(refused.failure().starts_with(says), "{refused:?}");
        let stranger = trial(&["ops"]);
        assert!(stranger.failure().contains("channel \"ops\" not found; the settings have desk"), "{stranger:?}");
        assert_eq!(contents(db), before);

        let wrong = files.write("wrong.toml", "[[alerts.channels]]\nname = 'desk'\nkind = 'webhook'\n\
            url = 'https://a.example'\ntemplate = '{\"a\": {{ alert.oops }}}'\n");
        let refused = run(db, &["serve", "--config", &wrong]);
        let says = "tickbase: alerts.channels.desk.template: nobody knows its alert.oops; an alert has ";
        assert!(refused.failure().starts_with(says), "{refused:?}");
    }
}
