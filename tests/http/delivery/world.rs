//! A database, alerts in it, and services that deliver them. Deliveries are due by the clock of
//! the database, which a test cannot set: time passes as they grow older.

use std::time::{Duration, Instant};

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::{
    AlertsConfig, ChannelConfig, ChannelTarget, DatabaseConfig, HttpUrl, Secret, WebhookConfig,
};
use tickbase::database::Database;
use tickbase::domain::{Condition, DeliveryState, DeliveryStatus, FiredStatus, RuleType};
use tickbase::models::{AlertDelivery as Row, AlertLog, NewAlertLog, NewAlertRule};
use tickbase::repository::{alert_delivery, alert_log, alert_rule};
use tickbase::services::Service;
use tickbase::services::alert_delivery::AlertDeliveryService;

use crate::delivery::receiver::{PATIENCE, Receiver};
use crate::support::{TestDatabase, db_read, db_write};

/// Where the clock of a test's process stands, in microseconds.
pub(crate) const BEGIN: i64 = 1_700_000_000_000_000;
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// What the webhooks of the tests are signed with.
pub(crate) const SECRET: &str = "s3cret";

pub(crate) struct World<'a> {
    pub(crate) db: Database,
    place: &'a TestDatabase,
    rule: i64,
}

impl<'a> World<'a> {
    pub(crate) fn new(place: &'a TestDatabase) -> Self {
        let db = open(place, BEGIN);
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("100".parse().unwrap()),
            name: Some("breakout".to_owned()),
            ..NewAlertRule::new(1, RuleType::Threshold)
        };
        let rule = db_write!(db, |now| alert_rule::insert(&rule, now))
            .unwrap()
            .id;
        Self { db, place, rule }
    }

    /// The same database as another process has it, whose clock is so far ahead.
    pub(crate) fn of_another_process(&self, ahead: Duration) -> Self {
        let ahead = i64::try_from(ahead.as_micros()).unwrap();
        Self {
            db: open(self.place, BEGIN + ahead),
            place: self.place,
            rule: self.rule,
        }
    }

    /// The name of its backend.
    pub(crate) fn backend(&self) -> &'static str {
        self.place.backend()
    }

    /// Stores an alert as the engine does; the n-th of the test.
    pub(crate) fn fire(&self, n: i64) -> i64 {
        let new = NewAlertLog {
            timestamp: at(BEGIN + n),
            source_id: 1,
            sequence: 0,
            rule_id: self.rule,
            instrument_id: 1,
            trigger_value: 101.5,
            threshold_value: Some(100.0),
            fired_status: FiredStatus::Fired,
            delivery_status: DeliveryStatus::Pending,
            evaluation_time_us: 3,
            rule_condition: "above".to_owned(),
            alert_message: "Alert: <b> & co - Price 101.5 above threshold 100.0000".to_owned(),
            error_message: None,
        };
        db_write!(self.db, alert_log::insert(&new))
            .unwrap()
            .unwrap()
            .id
    }

    /// Takes an alert and its deliveries away for good, so that it can fire again.
    pub(crate) fn forget(&self, id: i64) {
        for statement in [
            format!("DELETE FROM alert_deliveries WHERE alert_id = {id}"),
            format!("UPDATE alert_logs SET deleted_at = timestamp WHERE id = {id}"),
            format!("DELETE FROM alert_logs WHERE id = {id}"),
        ] {
            self.place.raw(&statement).unwrap();
        }
    }

    pub(crate) fn alert(&self, id: i64) -> AlertLog {
        db_read!(self.db, alert_log::get(id)).unwrap()
    }

    pub(crate) fn status(&self, id: i64) -> DeliveryStatus {
        self.alert(id).delivery_status
    }

    /// The delivery of an alert on a channel.
    pub(crate) fn delivery(&self, id: i64, channel: &str) -> Option<Row> {
        let all = db_read!(self.db, alert_delivery::of_alerts(&[id])).unwrap();
        all.into_iter().find(|row| row.channel == channel)
    }

    /// Waits until a delivery is so.
    pub(crate) fn until_delivery(&self, id: i64, channel: &str, so: impl Fn(&Row) -> bool) -> Row {
        until(|| self.delivery(id, channel).filter(|row| so(row)))
    }

    /// Waits until the n-th attempt on a channel has failed so.
    pub(crate) fn until_failed(&self, id: i64, channel: &str, attempt: i32, error: &str) -> Row {
        self.until_delivery(id, channel, |row| {
            let failed = row.attempts == attempt && row.status == DeliveryState::Failed;
            failed && row.last_error.as_deref() == Some(error)
        })
    }

    pub(crate) fn until_status(&self, id: i64, status: DeliveryStatus) {
        until(|| (self.status(id) == status).then_some(()));
    }

    /// A service that looks only when it is woken.
    pub(crate) fn service(&self, channels: Vec<ChannelConfig>) -> AlertDeliveryService {
        self.service_with(channels, |_| {})
    }

    pub(crate) fn service_with(
        &self,
        channels: Vec<ChannelConfig>,
        change: impl FnOnce(&mut AlertsConfig),
    ) -> AlertDeliveryService {
        let config = AlertsConfig::default().with(|config| {
            config.channels = channels;
            config.poll_interval = Duration::from_secs(3_600);
            // Long enough that chance does not make it nothing.
            config.backoff_base = 6 * HOUR;
            config.backoff_cap = 24 * HOUR;
            config.age_max = 30 * 24 * HOUR;
            config.total_timeout = PATIENCE;
            change(config);
        });
        AlertDeliveryService::new(self.db.clone(), config).unwrap()
    }

    /// Lets time pass for the deliveries, and wakes the service.
    pub(crate) fn pass(&self, time: Duration, service: &AlertDeliveryService) {
        let micros = time.as_micros();
        let (wait, time) = if self.place.dir().is_some() {
            ("PRAGMA busy_timeout = 30000;", micros.to_string())
        } else {
            ("", format!("interval '{micros} microseconds'"))
        };
        let columns = ["next_attempt_at", "created_at"];
        let older = columns.map(|column| format!("{column} = {column} - {time}"));
        let update = format!("{wait} UPDATE alert_deliveries SET {}", older.join(", "));
        self.place.raw(&update).unwrap();
        service.wake();
    }
}

fn open(place: &TestDatabase, micros: i64) -> Database {
    let config = DatabaseConfig::new(place.url()).unwrap().with(|config| {
        // Many tests connect to one small server at once.
        config.postgres.connect_timeout = Duration::from_secs(20);
    });
    Database::open_with_clock(config, Clock::manual(at(micros))).unwrap()
}

/// The time from now, by the clock of this machine, to a moment.
pub(crate) fn time_to(moment: Timestamp) -> Duration {
    let micros = moment.micros() - Clock::system().now().micros();
    Duration::from_micros(u64::try_from(micros).expect("it is not past"))
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// Waits until there is something.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Waits until the service has looked once more, from now on: what it does not do then, it does
/// not do.
pub(crate) fn one_more_look(service: &AlertDeliveryService) {
    for _ in 0..2 {
        // The first may have been under way.
        let before = service.status().runs;
        service.wake();
        until(|| (service.status().runs > before).then_some(()));
    }
}

pub(crate) fn channel(name: &str, target: ChannelTarget) -> ChannelConfig {
    ChannelConfig {
        name: name.to_owned(),
        target,
    }
}

pub(crate) fn webhook(name: &str, receiver: &Receiver) -> ChannelConfig {
    let url = HttpUrl::new("url", receiver.url()).unwrap();
    let secret = Some(Secret::new("secret", SECRET).unwrap());
    let webhook = WebhookConfig::new(url).with(|it| it.secret = secret);
    channel(name, ChannelTarget::Webhook(webhook))
}
