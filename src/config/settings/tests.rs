//! What files and variables set, and what is refused, by name and place.

use std::time::Duration;

use super::*;
use crate::config::Synchronous;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// All settings of a file and of variables.
fn all(toml: &str, pairs: &[(&str, &str)]) -> Result<Settings> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tickbase.toml");
    std::fs::write(&path, toml).unwrap();
    Settings::load(Some(&path), variables(pairs))
}

fn load(toml: &str, pairs: &[(&str, &str)]) -> Result<DatabaseConfig> {
    Ok(all(toml, pairs)?.database)
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let toml = "url = 'a.db'\n[pool]\nbase = 5\noverflow = 6\n[sqlite]\nsynchronous = 'full'";
    let config = load(
        toml,
        &[("TICKBASE_POOL_BASE", "7"), ("DATABASE_URL", "b.db")],
    )
    .unwrap();
    assert_eq!((config.pool.base, config.pool.overflow), (7, 6));
    assert_eq!(config.sqlite.synchronous, Synchronous::Full);
    assert_eq!(config.url.to_string(), "sqlite://b.db");
    assert_eq!(config.pool.acquire_timeout, Duration::from_secs(30));
}

#[test]
fn a_mode_is_written_in_octal_digits() {
    let mode = |toml: &str, variables: &[(&str, &str)]| {
        load(toml, variables).map(|config| config.sqlite.file_mode)
    };
    assert_eq!(mode("", &[]).unwrap(), 0o600);
    let text = "[sqlite]\nfile_mode = ";
    assert_eq!(mode(&format!("{text}'0640'"), &[]).unwrap(), 0o640);
    let variable = |digits| [("TICKBASE_SQLITE_FILE_MODE", digits)];
    assert_eq!(mode("", &variable("0660")).unwrap(), 0o660);
    // An octal number of TOML arrives as 416: its digits are no mode, so it is not misread.
    for wrong in ["0o640", "0o600", "0o666", "'rw'", "'0755'", "'0400'", "-1"] {
        let error = mode(&format!("{text}{wrong}"), &[])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("sqlite.file_mode: "), "{error}");
    }
}

#[test]
fn what_is_observed_is_a_section_of_its_own() {
    let variable = [("TICKBASE_OBSERVE_SLOW_QUERY_AFTER_MS", "0")];
    let toml = "[observe]\nslow_query_after_ms = 7\nslow_queries_max = 9";
    let observe = load(toml, &variable).unwrap().observe;
    assert_eq!(observe.slow_query_after, Duration::ZERO);
    assert_eq!(observe.slow_queries_max, 9);
}

#[test]
fn the_cache_is_a_section_of_its_own() {
    let variable = ("TICKBASE_CACHE_LATEST_TTL_MS", "250");
    let toml =
        "[cache]\nbytes_max = 1048576\nlatest_ttl_ms = 7\nbars_ttl_ms = 0\nanalytics_ttl_ms = 9";
    let cache = all(toml, &[variable]).unwrap().cache;
    assert_eq!(cache.bytes_max, 1 << 20);
    assert_eq!(cache.latest_ttl, Duration::from_millis(250));
    assert_eq!(cache.instruments_ttl, Duration::from_secs(1));
    assert_eq!(cache.bars_ttl, Duration::ZERO);
    assert_eq!(cache.analytics_ttl, Duration::from_millis(9));
}

#[test]
fn the_more_specific_variable_names_the_database() {
    let both = [("TICKBASE_DATABASE_URL", "a.db"), ("DATABASE_URL", "b.db")];
    for pairs in [both, [both[1], both[0]]] {
        let config = DatabaseConfig::load(None, variables(&pairs)).unwrap();
        assert_eq!(config.url.to_string(), "sqlite://a.db");
    }
}

#[test]
fn unknown_names_and_wrong_types_are_errors_that_name_them() {
    for (toml, pairs, name) in [
        ("[pool]\nbse = 5", &[][..], "bse"),
        ("pol = 1", &[], "pol"),
        ("[pool]\nbase = 'x'", &[], "invalid type"),
        ("[pool", &[], "unclosed"),
        ("", &[("TICKBASE_POOL_BSE", "1")], "bse"),
        ("", &[("TICKBASE_SQLITE_SYNCHRONOUS", "off")], "off"),
        ("[pool]\nbase = 0", &[], "pool.base"),
        ("[monitoring]\nintervall_seconds = 5", &[], "intervall"),
        ("", &[("TICKBASE_MONITORING_X", "1")], "unknown field"),
        (
            "[monitoring]\ninterval_seconds = 0",
            &[],
            "monitoring.interval_seconds",
        ),
    ] {
        let error = load(toml, pairs).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let missing = DatabaseConfig::load(Some(Path::new("/nonexistent.toml")), []).unwrap_err();
    assert!(matches!(missing, crate::Error::File { .. }), "{missing}");
}

#[test]
fn each_concern_has_its_section() {
    let toml = "[monitoring]\ninterval_seconds = 5\nquery_ms_warning = 250\n[pool]\nbase = 3";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tickbase.toml");
    std::fs::write(&path, toml).unwrap();
    let pairs = [
        ("TICKBASE_MONITORING_QUERY_MS_CRITICAL", "1000"),
        ("TICKBASE_MONITORING_WAL_BYTES_CRITICAL", "inf"),
    ];
    let settings = Settings::load(Some(&path), variables(&pairs)).unwrap();
    assert_eq!(settings.monitoring.interval, Duration::from_secs(5));
    let monitoring = &settings.monitoring;
    assert_eq!(monitoring.query_ms_warning, 250.0);
    assert_eq!(monitoring.query_ms_critical, 1_000.0);
    assert_eq!(monitoring.wal_bytes_critical, f64::INFINITY);
    assert_eq!(settings.database.pool.base, 3);
    // The database's settings alone are read from the same file.
    let alone = DatabaseConfig::load(Some(&path), []).unwrap();
    assert_eq!(alone.pool.base, 3);
}

#[test]
fn the_server_is_set_by_file_and_environment() {
    let pairs = [
        ("TICKBASE_SERVER_TOKEN", "1234567890123456"),
        (
            "TICKBASE_SERVER_CORS_ORIGINS",
            "https://a.example,https://b.example",
        ),
        ("TICKBASE_SERVER_BIND", "[::1]:9000"),
    ];
    let toml = "[server]\nrequest_timeout_seconds = 5\nbind = '1.2.3.4:5'";
    let server = all(toml, &pairs).unwrap().server;
    assert_eq!(server.bind.to_string(), "[::1]:9000");
    assert_eq!(
        server.cors_origins,
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(server.request_timeout, Duration::from_secs(5));
    assert!(server.token.is_some(), "digits alone are a text, too");
    for (name, value) in [
        ("BIND", "localhost"),
        ("TOKEN", "short"),
        ("CORS_ORIGINS", "a b"),
    ] {
        let pair = [(format!("TICKBASE_SERVER_{name}"), value.to_owned())];
        let error = Settings::load(None, pair).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("server.{}", name.to_lowercase())),
            "{error}"
        );
    }
}

#[test]
fn alerts_go_where_file_and_environment_say() {
    use crate::config::ChannelTarget;
    let toml = "[alerts]\nattempts_max = 3\n[[alerts.channels]]\nname = 'desk'\n\
                kind = 'webhook'\nurl = 'https://a.example/x'\nsecret = 's'\n\
                [[alerts.channels]]\nkind = 'log'";
    let pairs = [
        ("TICKBASE_ALERTS_WEBHOOK_URL", "https://b.example/t0ken"),
        ("TICKBASE_ALERTS_WEBHOOK_SECRET", "12345"),
        ("TICKBASE_ALERTS_SLACK_URL", "https://hooks.slack.com/t0ken"),
    ];
    let alerts = all(toml, &pairs).unwrap().alerts;
    let channels = alerts.all_channels().unwrap();
    let names: Vec<_> = channels.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["desk", "log", "webhook", "slack"]);
    assert_eq!(alerts.attempts_max, Some(3));
    let signed = |at: usize| matches!(&channels[at].target, ChannelTarget::Webhook(webhook) if webhook.secret.is_some());
    assert!(signed(0) && signed(2), "{alerts:?}");
    assert!(!format!("{alerts:?}").contains("t0ken"), "{alerts:?}");
    for (name, value, reason) in [
        ("WEBHOOK_URL", "t0ken", "http://"),
        ("WEBHOOK_SECRET", "t0ken", "no webhook"),
        ("SLACK_URL", "ftp://t0ken", "http://"),
    ] {
        let pair = [(format!("TICKBASE_ALERTS_{name}"), value.to_owned())];
        let error = Settings::load(None, pair).unwrap_err().to_string();
        let setting = format!("alerts.{}: ", name.to_lowercase());
        assert!(
            error.starts_with(&setting) && error.contains(reason),
            "{error}"
        );
        assert!(!error.contains("t0ken"), "{error}");
    }
    for (channel, name, reason) in [
        ("kind = 'pigeon'", "alerts.channels[0]: ", "pigeon"),
        ("kind = 'slack'", "alerts.channels[0]: ", "slack has no url"),
        (
            "kind = 'log'\nurl = 'https://a'",
            "alerts.channels[0]: ",
            "log sends nothing",
        ),
        (
            "kind = 'log'\nurl = 't0ken'",
            "alerts.channels[0].url: ",
            "http://",
        ),
        (
            "kind = 'slack'\nurl = 'https://a'\nsecret = 'x'",
            "alerts.channels[0]: ",
            "slack signs nothing",
        ),
        (
            "kind = 'webhook'\nurl = 'https://a'\nsecret = ''",
            "alerts.channels[0].secret: ",
            "empty",
        ),
        (
            "kind = 'log'\n[[alerts.channels]]\nkind = 'log'",
            "alerts.channels.name: ",
            "two channels",
        ),
    ] {
        let error = load(&format!("[[alerts.channels]]\n{channel}"), &[]).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(name) && error.contains(reason), "{error}");
        assert!(!error.contains("t0ken"), "{error}");
    }
    let error = all("[alerts]\nchannels = ['https://a/t0ken']", &[]).unwrap_err();
    assert!(!error.chain().contains("t0ken"), "{}", error.chain());
}

#[test]
fn a_short_form_leads_a_channel_elsewhere_and_keeps_its_secret() {
    use crate::config::{ChannelTarget, HttpUrl, Secret, WebhookConfig};
    let toml = "[[alerts.channels]]\nkind = 'webhook'\nurl = 'https://a.example'\n\
                secret = 's'\n[[alerts.channels]]\nkind = 'slack'\nurl = 'https://c.example'";
    let pairs = [
        ("TICKBASE_ALERTS_WEBHOOK_URL", "https://b.example"),
        ("TICKBASE_ALERTS_SLACK_URL", "https://d.example"),
    ];
    let channels = all(toml, &pairs).unwrap().alerts.all_channels().unwrap();
    let targets: Vec<_> = channels.into_iter().map(|channel| channel.target).collect();
    let url = |text: &str| HttpUrl::new("url", text).unwrap();
    let webhook = WebhookConfig::new(url("https://b.example"))
        .with(|it| it.secret = Some(Secret::new("secret", "s").unwrap()));
    let slack = WebhookConfig::slack(url("https://d.example"));
    assert_eq!(targets, [webhook, slack].map(ChannelTarget::Webhook));
}

#[test]
fn an_error_says_where_the_setting_is_written() {
    let ours = "url = 'a.db'\n[pool]\nbase = 3\n\n[[server.tokens]]\nname = 'a'\n\
                rights = 'read'\ntoken = '0123456789abcdef'\n[[server.tokens]]\n\
                name = 'b'\nrights = 'read'\n";
    let file = |rest: &str, line: usize| (format!("{ours}{rest}"), Some(line));
    let token = "token = 'fedcba9876543210'\n";
    for ((toml, line), name, value) in [
        (file("token = 'short'", 12), "server.tokens[1].token: ", ""),
        (file("", 9), "server.tokens[1]: ", "missing field `token`"),
        (file("tok = 1", 12), "server.tokens[1].tok: ", "`tok`"),
        (
            file(&format!("{token}[cache]\nbytes_max = 1"), 14),
            "cache.bytes_max: ",
            "1 cannot",
        ),
        (
            file(&format!("{token}[cache]\nbytes = 1"), 14),
            "cache.bytes: ",
            "`bytes`",
        ),
        (
            file(&format!("{token}[cache]\nbytes_max = 'x'"), 14),
            "cache.bytes_max: ",
            "\"x\"",
        ),
        (file(&format!("{token}[cache"), 13), "", "unclosed"),
        (("pol = 1".to_owned(), Some(1)), "pol: ", "`pol`"),
        (
            ("\nurl = 'x://y'".to_owned(), Some(2)),
            "url: ",
            "another scheme",
        ),
    ] {
        let error = all(&toml, &[]).unwrap_err().to_string();
        assert!(error.starts_with(name) && error.contains(value), "{error}");
        let line = format!("tickbase.toml, line {}", line.unwrap());
        assert!(error.contains(&line), "{error} is not in {line}");
    }
    // A variable lies over the file.
    for (variable, value, name) in [
        ("TICKBASE_POOL_BASE", "0", "pool.base: 0"),
        ("TICKBASE_POOL_BASE", "x", "pool.base: "),
        ("TICKBASE_POOL_BSE", "1", "pool.bse: "),
        ("TICKBASE_MIGRATE", "2", "migrate: "),
        ("DATABASE_URL", "", "url: "),
        ("TICKBASE_SERVER_TOKENS", "a:read:short", "server.tokens: "),
    ] {
        let toml = format!("{ours}{token}");
        let error = all(&toml, &[(variable, value)]).unwrap_err().to_string();
        let ending = format!("(set by {variable})");
        assert!(
            error.starts_with(name) && error.ends_with(&ending),
            "{error}"
        );
    }
    // What nobody wrote is nowhere.
    let error = all("server.protect_reads = true", &[]).unwrap_err();
    assert!(error.to_string().ends_with("line 1)"), "{error}");
    let critical = ("TICKBASE_MONITORING_QUERY_MS_CRITICAL", "1");
    let error = all("[monitoring]", &[critical]).unwrap_err().to_string();
    assert!(
        error.starts_with("monitoring.query_ms_warning: 100"),
        "{error}"
    );
    assert!(!error.contains("set "), "{error}");
}

#[test]
fn every_section_is_one_of_variables_too() {
    let error = all("no_such_name = 1", &[]).unwrap_err().to_string();
    let (_, names) = error.split_once("expected one of ").unwrap();
    let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
    assert_eq!(names.len(), 15, "{error}");
    for section in names
        .iter()
        .filter(|name| !["url", "migrate"].contains(name))
    {
        let variable = format!("TICKBASE_{}_NONE", section.to_uppercase());
        let error = all("", &[(&variable, "1")]).unwrap_err().to_string();
        assert!(error.contains("unknown field `none`"), "{error}");
    }
}

#[test]
fn a_token_of_digits_stays_as_it_is_written() {
    use crate::config::Token;
    for text in [
        "0123456789012345",
        "12345678901234567890123456789012",
        "1234567890123456",
    ] {
        let server = all("", &[("TICKBASE_SERVER_TOKEN", text)]).unwrap().server;
        assert!(server.token == Some(Token::new(text).unwrap()), "{text}");
    }
}

#[test]
fn a_broken_file_does_not_show_the_password_in_it() {
    let error = load("url = 'postgres://u:s3cret@h/db'\nnonsense = 1", &[]).unwrap_err();
    assert!(!error.chain().contains("s3cret"), "{}", error.chain());
}
