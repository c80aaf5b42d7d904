//! `alerts ack`, `silence`, `silences` and `unsilence`.

use serde_json::json;

use super::{run, says};
use crate::support::on_both;

const RULE: [&str; 10] = [
    "rules",
    "add",
    "--symbol",
    "ES",
    "--condition",
    "above",
    "--threshold",
    "1",
    "--cooldown",
    "0",
];

on_both! {
    fn a_silence_is_added_listed_and_lifted(db: &TestDatabase) {
        assert_eq!(run(db, &["migrate", "run"]).code, Some(0));
        run(db, &[&RULE[..], &["--json"]].concat()).json();
        let alerts = |arguments: &[&str]| run(db, &[&["alerts"], arguments].concat());
        says(alerts(&["silences"]).out, "nothing is silenced");
        let added = alerts(&["silence", "--rule", "1", "--for", "2h", "--reason", "roll", "--by", "desk", "--json"]).json();
        assert_eq!(json!([added["id"], added["rule_id"], added["created_by"], added["reason"]]), json!([1, 1, "desk", "roll"]));
        let shown = alerts(&["silence", "--symbol", "ES", "--for", "30m", "--by", "desk"]).out;
        assert!(shown.starts_with("silence 2: instrument 1 until "), "{shown}");
        let listed = alerts(&["silences", "--json"]).json();
        assert_eq!(json!([listed[0]["id"], listed[1]["id"]]), json!([2, 1]));
        let lifted = alerts(&["unsilence", "1", "--by", "risk"]).out;
        assert!(lifted.starts_with("silence 1 of rule 1 ended at "), "{lifted}");
        assert_eq!(alerts(&["silences", "--json"]).json().as_array().unwrap().len(), 1);
        let all = alerts(&["silences", "--all"]).out;
        assert!(all.contains("by risk") && all.contains("roll"), "{all}");

        for (arguments, reason) in [
            (&["silence", "--rule", "9", "--for", "2h", "--by", "x"][..], "rule 9 not found"),
            (&["silence", "--rule", "1", "--until", "2013-09-01", "--by", "x"], "until: 2013-09-01T00:00:00.000000Z is not later than now"),
            (&["silence", "--rule", "1", "--for", "2y", "--by", "x"], ""),
            (&["silence", "--symbol", "ESX", "--for", "2h", "--by", "x"], "instrument ESX not found; did you mean ES?"),
            (&["unsilence", "9", "--by", "x"], "silence 9 not found"),
        ] {
            let refused = alerts(arguments);
            match reason {
                "" => assert_eq!(refused.code, Some(2), "{refused:?}"),
                reason => assert!(refused.failure().contains(reason), "{refused:?}"),
            }
        }
        for arguments in [
            &["silence", "--rule", "1"][..],
            &["silence", "--for", "2h"],
            &["silence", "--rule", "1", "--symbol", "ES", "--for", "2h"],
            &["ack"],
            &["ack", "1", "--by", " "],
        ] {
            assert_eq!(alerts(arguments).code, Some(2), "{arguments:?}");
        }
        assert_eq!(run(db, &["check"]).code, Some(0));
        let purged = run(db, &["purge", "--older-than", "0m", "--json"]).json();
        let of = purged["tables"].as_array().unwrap().iter().find(|it| it["table"] == "alert_silences");
        assert_eq!(of.unwrap()["deleted"], 1);
    }

    fn alerts_are_acknowledged_all_or_none(db: &TestDatabase) {
        run(db, &["migrate", "run"]);
        run(db, &RULE);
        // An import runs no engine; the alerts are stored as it does.
        let alert = "INSERT INTO alert_logs (\"timestamp\", source_id, sequence, rule_id, instrument_id, trigger_value, \
                     evaluation_time_us, rule_condition, alert_message) VALUES ";
        let (at, other) = match db.dir() {
            Some(_) => ("1", "2"),
            None => ("now()", "now() - interval '1 minute'"),
        };
        db.raw(&format!("{alert} ({at}, 1, 0, 1, 1, 5, 3, 'above', 'one'), ({other}, 1, 0, 1, 1, 5, 3, 'above', 'two')")).unwrap();
        let ack = |arguments: &[&str]| run(db, &[&["alerts", "ack", "--by", "desk"], arguments].concat());
        let slip = ack(&["1", "999"]);
        assert!(slip.failure().contains("alert 999 not found"), "{slip:?}");
        says(ack(&["1", "--note", "seen"]).out, "1 acknowledged by desk");
        says(ack(&["1", "2"]).out, "1 acknowledged by desk; 1 had been before");
        assert_eq!(ack(&["1", "--json"]).json(), json!({"acknowledged": [], "by": "desk"}));
        let listed = run(db, &["alerts", "list", "--json"]).json();
        assert_eq!(listed["alerts"][0]["acknowledged_by"], "desk");
        let notes = "SELECT acknowledgement_note AS text FROM alert_logs WHERE acknowledgement_note IS NOT NULL";
        assert_eq!(db.texts(notes), ["seen"]);
    }
}
