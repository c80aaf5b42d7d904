//! Levels as tables of rounds: what a check says to a series of values.

use super::*;

/// Feeds one round after the other, the round's number as its time, and returns the changes as
/// `round: from -> to`.
fn changes(config: &MonitoringConfig, rounds: impl IntoIterator<Item = Facts>) -> Vec<String> {
    let mut state = CheckState::default();
    let mut told = Vec::new();
    for (round, facts) in rounds.into_iter().enumerate() {
        let now = Timestamp::from_micros(round as i64).unwrap();
        let (after, changes) = evaluate(&state, &facts, config, now);
        state = after;
        told.extend(changes.into_iter().map(|change| {
            assert_eq!(change.at, now);
            let (from, to) = (change.from.as_str(), change.to.as_str());
            format!("{round} {}: {from} -> {to}", change.check.name())
        }));
    }
    told
}

fn pool(utilization: f64) -> Facts {
    Facts {
        pool_utilization: utilization,
        ..Facts::default()
    }
}

fn config() -> MonitoringConfig {
    MonitoringConfig::default()
}

#[test]
fn pool_utilization_is_raised_and_cleared_as_the_table_says() {
    // Warning 0.70, critical 0.85; back below 0.63 and 0.765; two rounds each.
    let cases: [(&str, &[f64], &[&str]); 12] = [
        ("all is well", &[0.0, 0.5, 0.69, 0.69, 0.69], &[]),
        ("one round is no alert", &[0.9, 0.1, 0.9, 0.1, 0.9], &[]),
        ("the threshold counts", &[0.70, 0.70], &["1: ok -> warning"]),
        ("exhausted", &[1.0, 1.0, 1.0, 1.0], &["1: ok -> critical"]),
        (
            "raised once, cleared once",
            &[1.0, 1.0, 1.0, 0.1, 0.1, 0.1],
            &["1: ok -> critical", "4: critical -> ok"],
        ),
        (
            "what hangs about the threshold does not flap",
            &[0.72, 0.72, 0.68, 0.71, 0.65, 0.70, 0.64, 0.64, 0.69],
            &["1: ok -> warning"],
        ),
        (
            "one round back clears nothing",
            &[0.72, 0.72, 0.1, 0.72, 0.1, 0.72],
            &["1: ok -> warning"],
        ),
        (
            "the milder of the rounds is raised, then the worse",
            &[0.75, 0.9, 0.9, 0.9],
            &["1: ok -> warning", "3: warning -> critical"],
        ),
        (
            "the milder also when it comes later",
            &[0.9, 0.75, 0.75],
            &["1: ok -> warning"],
        ),
        (
            "critical falls to warning, and that to ok",
            &[0.9, 0.9, 0.75, 0.75, 0.62, 0.62],
            &[
                "1: ok -> critical",
                "3: critical -> warning",
                "5: warning -> ok",
            ],
        ),
        (
            "critical is not left between its eased and its full threshold",
            &[0.9, 0.9, 0.80, 0.77, 0.77],
            &["1: ok -> critical"],
        ),
        (
            "a worse round in between begins the clearing anew",
            &[0.9, 0.9, 0.1, 0.9, 0.1, 0.1],
            &["1: ok -> critical", "5: critical -> ok"],
        ),
    ];
    for (name, values, expected) in cases {
        let told = changes(&config(), values.iter().map(|value| pool(*value)));
        let expected: Vec<_> = expected
            .iter()
            .map(|change| change.replacen(':', " pool_utilization:", 1))
            .collect();
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn rounds_to_raise_and_clear_are_settings() {
    let config = config().with(|config| {
        config.raise_rounds = 1;
        config.clear_rounds = 3;
    });
    let values = [0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1];
    assert_eq!(
        changes(&config, values.map(pool)),
        [
            "0 pool_utilization: ok -> critical",
            "6 pool_utilization: critical -> ok"
        ]
    );
}

#[test]
fn a_level_that_is_switched_off_is_never_taken() {
    let config = config().with(|config| {
        config.pool_utilization_critical = f64::INFINITY;
    });
    assert_eq!(
        changes(&config, [1.0, 1.0, 1.0].map(pool)),
        ["1 pool_utilization: ok -> warning"]
    );
}

#[test]
fn the_share_of_late_ticks_is_judged_only_where_it_is_asked_for() {
    let round = |share| Facts {
        late_share: Some(share),
        ..Facts::default()
    };
    let shares = [0.0, 0.2, 0.2, 1.0, 1.0];
    assert_eq!(changes(&config(), shares.map(round)), Vec::<String>::new());
    let asked = config().with(|config| {
        config.late_share_warning = 0.1;
        config.late_share_critical = 0.5;
    });
    assert_eq!(
        changes(&asked, shares.map(round)),
        [
            "2 late_share: ok -> warning",
            "4 late_share: warning -> critical"
        ]
    );
}

#[test]
fn few_calls_are_not_judged_and_clear_what_was_raised() {
    let round = |query_calls| Facts {
        query_calls,
        query_ms_p95: 600.0,
        ..Facts::default()
    };
    assert_eq!(changes(&config(), [19, 19, 19].map(round)), [""; 0]);
    assert_eq!(
        changes(&config(), [20, 20, 0, 0].map(round)),
        [
            "1 query_time: ok -> critical",
            "3 query_time: critical -> ok"
        ]
    );
}

#[test]
fn waiting_for_a_connection_is_judged_when_somebody_got_one() {
    let round = |(acquisitions, acquire_ms_p95)| Facts {
        acquisitions,
        acquire_ms_p95,
        ..Facts::default()
    };
    let rounds = [
        (1, 50.0),
        (1, 60.0),
        (1, 250.0),
        (1, 250.0),
        (0, 0.0),
        (0, 0.0),
    ];
    assert_eq!(
        changes(&config(), rounds.map(round)),
        [
            "1 acquire_time: ok -> warning",
            "3 acquire_time: warning -> critical",
            "5 acquire_time: critical -> ok",
        ]
    );
}

fn feed(now: f64, usual: f64) -> Facts {
    Facts {
        insert_rate_1m: Some(now),
        insert_rate_usual: Some(usual),
        ..Facts::default()
    }
}

#[test]
fn a_feed_that_drops_is_told_and_one_that_is_quiet_is_not() {
    let told = |rounds: &[(f64, f64)]| {
        changes(
            &config(),
            rounds.iter().map(|(now, usual)| feed(*now, *usual)),
        )
    };
    // A steady feed, a busy one, and one below the level from which on a drop is judged.
    assert_eq!(told(&[(1_000.0, 1_000.0), (5_000.0, 1_000.0)]), [""; 0]);
    assert_eq!(told(&[(0.0, 9.9), (0.0, 9.9), (0.0, 0.0)]), [""; 0]);
    // Half of the usual rate is enough; less is a warning; a fifth is critical.
    assert_eq!(told(&[(500.0, 1_000.0), (500.0, 1_000.0)]), [""; 0]);
    assert_eq!(
        told(&[(499.0, 1_000.0), (499.0, 1_000.0)]),
        ["1 insert_rate_drop: ok -> warning"]
    );
    // The market closes: told once, cleared once when the usual rate has followed, then silence.
    let closing = [(100.0, 1_000.0), (0.0, 1_000.0), (0.0, 1_000.0), (0.0, 0.0)];
    let night = [(0.0, 0.0); 100];
    assert_eq!(
        told(&[&closing[..], &night[..]].concat()),
        [
            "1 insert_rate_drop: ok -> critical",
            "4 insert_rate_drop: critical -> ok"
        ]
    );
    // It comes back only when it is clearly above the threshold.
    let limping = [
        (400.0, 1_000.0),
        (400.0, 1_000.0),
        (550.0, 1_000.0),
        (550.0, 1_000.0),
    ];
    let recovered = [(560.0, 1_000.0), (560.0, 1_000.0)];
    assert_eq!(
        told(&[&limping[..], &recovered[..]].concat()),
        [
            "1 insert_rate_drop: ok -> warning",
            "5 insert_rate_drop: warning -> ok"
        ]
    );
}

#[test]
fn a_floor_is_off_unless_it_is_set() {
    let silence = [feed(0.0, 0.0), feed(0.0, 0.0), feed(0.0, 0.0)];
    assert_eq!(changes(&config(), silence.clone()), [""; 0]);
    let config = config().with(|config| {
        config.insert_rate_floor_warning = 50.0;
        config.insert_rate_floor_critical = 10.0;
    });
    assert_eq!(
        changes(&config, silence),
        ["1 insert_rate_floor: ok -> critical"]
    );
    let slow = [
        feed(49.0, 0.0),
        feed(49.0, 0.0),
        feed(55.0, 0.0),
        feed(56.0, 0.0),
    ];
    assert_eq!(
        changes(&config, slow),
        ["1 insert_rate_floor: ok -> warning"]
    );
}

#[test]
fn the_writer_and_errors_are_judged_where_they_are_known() {
    let ill = Facts {
        wal_bytes: Some(1 << 29),
        write_queue: Some(0.95),
        errors_per_minute: Some(31.0),
        ..Facts::default()
    };
    assert_eq!(
        changes(&config(), [ill.clone(), ill]),
        [
            "1 wal_bytes: ok -> warning",
            "1 write_queue: ok -> critical",
            "1 errors: ok -> warning",
        ]
    );
}

#[test]
fn a_failed_probe_is_raised_at_once_and_cleared_with_care() {
    let probe = |failed| Facts {
        probe_failed: Some(failed),
        ..Facts::default()
    };
    assert_eq!(
        changes(
            &config(),
            [false, true, false, true, false, false].map(probe)
        ),
        ["1 probe: ok -> critical", "5 probe: critical -> ok"]
    );
}

#[test]
fn a_change_tells_the_value_and_the_threshold_that_it_passed() {
    let at = Timestamp::from_micros(7).unwrap();
    let config = config().with(|config| {
        config.raise_rounds = 1;
        config.clear_rounds = 1;
    });
    let (state, raised) = evaluate(&CheckState::default(), &pool(0.9), &config, at);
    let [raised] = &raised[..] else {
        panic!("{raised:?}")
    };
    assert_eq!((raised.value, raised.threshold), (Some(0.9), Some(0.85)));
    let status = state.statuses().next().unwrap();
    assert_eq!(
        (status.check, status.level),
        (Check::PoolUtilization, CheckLevel::Critical)
    );
    assert_eq!((status.since, status.threshold), (Some(at), Some(0.85)));

    let (_, cleared) = evaluate(&state, &pool(0.5), &config, at);
    let [cleared] = &cleared[..] else {
        panic!("{cleared:?}")
    };
    assert_eq!(
        (cleared.from, cleared.to),
        (CheckLevel::Critical, CheckLevel::Ok)
    );
    assert_eq!(
        (cleared.value, cleared.threshold),
        (Some(0.5), Some(0.85 * 0.9))
    );
}

#[test]
fn a_status_without_anything_to_judge_has_no_value() {
    let at = Timestamp::from_micros(7).unwrap();
    let (state, _) = evaluate(&CheckState::default(), &Facts::default(), &config(), at);
    for status in state.statuses().skip(1) {
        assert_eq!((status.value, status.threshold), (None, None), "{status:?}");
    }
}
