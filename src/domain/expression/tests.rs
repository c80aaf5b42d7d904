//! What an expression may be, and what its refusal says.

use super::*;

fn refusal(text: &str) -> String {
    let error = Expression::parse(text).unwrap_err().to_string();
    assert!(error.starts_with("expression: "), "{error}");
    error
}

/// A condition within `depth` joins.
fn nested(depth: usize) -> String {
    let open = r#"{"all":["#.repeat(depth);
    let close = "]}".repeat(depth);
    format!(r#"{open}{{"condition":"above","threshold":1}}{close}"#)
}

#[test]
fn conditions_are_read_with_their_parameters_whatever_their_nesting() {
    let text = r#"{"any":[
        {"condition":"above","threshold":"1650"},
        {"all":[
            {"condition":"volume_above","threshold":2.5,"moving_average_period":20},
            {"condition":"percent_change_up","threshold":"1","time_window_seconds":60},
            {"condition":"crosses_below","moving_average_period":5,"threshold":null}
        ]}
    ]}"#;
    let Expression::Any(parts) = Expression::parse(text).unwrap() else {
        panic!("it is any");
    };
    let above = RuleCondition {
        trigger: Trigger::Above,
        threshold: Some("1650".parse().unwrap()),
    };
    assert_eq!(parts[0], Expression::One(above));
    let Expression::All(inner) = &parts[1] else {
        panic!("it is all");
    };
    let Expression::One(volume) = &inner[0] else {
        panic!("it is a condition");
    };
    assert_eq!(volume.threshold, Some("2.5".parse().unwrap()));
    assert_eq!(volume.trigger, Trigger::VolumeAboveMean(20));
    assert_eq!(inner.len(), 3);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, reason) in [
        ("", "not JSON"),
        ("[]", "not an object of all or any"),
        (r#"{"all":[]}"#, "not an object of all or any"),
        (r#"{"all":[1],"any":[1]}"#, "not an object of all or any"),
        (r#"{"all":[1],"name":"x"}"#, "not an object of all or any"),
        (
            r#"{"condition":"above","threshold":1}"#,
            "not an object of all or any",
        ),
        (r#"{"all":[1]}"#, "all[0] is not an object"),
        (
            r#"{"all":[{"any":[]}]}"#,
            "all[0] has the unknown field \"any\"",
        ),
        (r#"{"all":[{"threshold":1}]}"#, "all[0] names no condition"),
        (
            r#"{"all":[{"condition":"over","threshold":1}]}"#,
            "all[0].condition: \"over\"",
        ),
        (
            r#"{"all":[{"condition":"above"}]}"#,
            "all[0].threshold: a threshold rule needs it",
        ),
        (
            r#"{"all":[{"condition":"above","treshold":1}]}"#,
            "unknown field \"treshold\"",
        ),
        (
            r#"{"all":[{"condition":"above","threshold":"1e309"}]}"#,
            "all[0].threshold: it has an exponent out of range",
        ),
        (
            r#"{"all":[{"condition":"above","threshold":true}]}"#,
            "all[0].threshold: not a number",
        ),
        (
            r#"{"any":[{"condition":"above","threshold":1},{"all":[{"condition":"percent_change_up","threshold":1}]}]}"#,
            "any[1].all[0].time_window_seconds: a rate_of_change rule needs it",
        ),
        (
            r#"{"all":[{"condition":"volume_above","threshold":1,"moving_average_period":1001}]}"#,
            "all[0].moving_average_period: 1001 is out of range",
        ),
        (
            r#"{"all":[{"condition":"volume_above","threshold":1,"moving_average_period":1.5}]}"#,
            "all[0].moving_average_period is not a whole number",
        ),
    ] {
        let error = refusal(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn depth_size_and_number_of_conditions_have_limits() {
    Expression::parse(&nested(EXPRESSION_DEPTH_MAX)).unwrap();
    assert!(refusal(&nested(EXPRESSION_DEPTH_MAX + 1)).contains("deeper than 8"));
    refusal(&nested(1_000));
    let many = |n: usize| {
        let one = r#"{"condition":"above","threshold":1}"#;
        format!(r#"{{"all":[{}]}}"#, vec![one; n].join(","))
    };
    Expression::parse(&many(EXPRESSION_CONDITIONS_MAX)).unwrap();
    assert!(refusal(&many(EXPRESSION_CONDITIONS_MAX + 1)).contains("more than 64"));
    assert!(refusal(&many(1_000)).contains("16384 bytes"));
}

#[test]
fn what_could_never_match_is_refused() {
    let pair = |first: &str, second: &str| {
        let part = |text: &str| {
            let (condition, threshold) = text.split_once(' ').unwrap();
            format!(r#"{{"condition":"{condition}","threshold":"{threshold}"}}"#)
        };
        format!("[{},{}]", part(first), part(second))
    };
    for (first, second) in [
        ("above 10", "below 10"),
        ("above 10", "below 9"),
        ("equals 10", "above 10.5"),
        ("equals 10", "equals 11"),
        ("crosses_above 10", "below 10"),
        ("crosses_above 10", "crosses_below 10"),
    ] {
        let list = pair(first, second);
        assert!(
            refusal(&format!(r#"{{"all":{list}}}"#)).contains("never match"),
            "{list}"
        );
        assert!(refusal(&format!(r#"{{"any":[{{"all":{list}}}]}}"#)).contains("never match"));
        Expression::parse(&format!(r#"{{"any":{list}}}"#)).unwrap();
    }
    for (first, second) in [
        ("above 10", "below 10.00000001"),
        ("equals 10", "above 10.49999999"),
        ("volume_above 10", "below 9"),
    ] {
        Expression::parse(&format!(r#"{{"all":{}}}"#, pair(first, second))).unwrap();
    }
}

#[test]
fn a_threshold_is_read_digit_by_digit() {
    for digits in ["0.0000000042", "1650.123456789012345678", "4.2155e-9"] {
        for written in [digits.to_owned(), format!("\"{digits}\"")] {
            let text = format!(r#"{{"any":[{{"condition":"above","threshold":{written}}}]}}"#);
            let Expression::Any(parts) = Expression::parse(&text).unwrap() else {
                panic!("{text}")
            };
            let Expression::One(part) = &parts[0] else {
                panic!("{text}")
            };
            assert_eq!(part.threshold, Some(digits.parse().unwrap()));
        }
    }
}
