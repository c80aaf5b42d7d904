//! A database whose clock a test sets, alerts in it, and services that deliver them.

use std::time::{Duration, Instant};

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::{
    AlertsConfig, ChannelConfig, ChannelTarget, DatabaseConfig, HttpUrl, Secret,
};
use tickbase::database::Database;
use tickbase::domain::{Condition, DeliveryState, DeliveryStatus, FiredStatus, RuleType};
use tickbase::models::{AlertDelivery as Row, AlertLog, NewAlertLog, NewAlertRule};
use tickbase::repository::alert_delivery::AlertDeliveryRepository;
use tickbase::repository::alert_log::AlertLogRepository;
use tickbase::repository::alert_rule::AlertRuleRepository;
use tickbase::services::Service;
use tickbase::services::alert_delivery::AlertDelivery;

use crate::receiver::{PATIENCE, Receiver};
use crate::support::TestDatabase;

/// When every test begins, in microseconds.
pub(crate) const BEGIN: i64 = 1_700_000_000_000_000;
/// How long a claim is held, with the timeout of these tests.
const LEASE: Duration = PATIENCE.saturating_add(Duration::from_secs(60));
/// What the webhooks of the tests are signed with.
pub(crate) const SECRET: &str = "s3cret";

pub(crate) struct World {
    pub(crate) db: Database,
    pub(crate) clock: Clock,
    rule: i64,
}

impl World {
    pub(crate) fn new(place: &TestDatabase) -> Self {
        let (db, clock) = open(place, BEGIN);
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("100".parse().unwrap()),
            name: Some("breakout".to_owned()),
            ..NewAlertRule::new(1, RuleType::Threshold)
        };
        let rule = AlertRuleRepository::new(&db).insert(rule).unwrap().id;
        Self { db, clock, rule }
    }

    /// The same database as another process has it, at a moment.
    pub(crate) fn reopened(&self, place: &TestDatabase, micros: i64) -> Self {
        let (db, clock) = open(place, micros);
        Self {
            db,
            clock,
            rule: self.rule,
        }
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
        AlertLogRepository::new(&self.db)
            .insert(new)
            .unwrap()
            .unwrap()
            .id
    }

    pub(crate) fn alert(&self, id: i64) -> AlertLog {
        AlertLogRepository::new(&self.db).get(id).unwrap()
    }

    pub(crate) fn status(&self, id: i64) -> DeliveryStatus {
        self.alert(id).delivery_status
    }

    /// The delivery of an alert on a channel.
    pub(crate) fn delivery(&self, id: i64, channel: &str) -> Option<Row> {
        let all = AlertDeliveryRepository::new(&self.db).of_alert(id).unwrap();
        all.into_iter().find(|row| row.channel == channel)
    }

    /// Waits until a delivery is so.
    pub(crate) fn until_delivery(&self, id: i64, channel: &str, so: impl Fn(&Row) -> bool) -> Row {
        until(|| self.delivery(id, channel).filter(|row| so(row)))
    }

    /// Waits until the n-th attempt on a channel has failed and is not merely under way: then the
    /// next one is due when its lease would end.
    pub(crate) fn until_failed(&self, id: i64, channel: &str, attempt: i32) -> Row {
        let lease = self.clock.now().micros() + i64::try_from(LEASE.as_micros()).unwrap();
        self.until_delivery(id, channel, |row| {
            let failed = row.attempts == attempt && row.status == DeliveryState::Failed;
            failed && row.next_attempt_at != Some(at(lease))
        })
    }

    pub(crate) fn until_status(&self, id: i64, status: DeliveryStatus) {
        until(|| (self.status(id) == status).then_some(()));
    }

    /// A service that looks only when it is woken.
    pub(crate) fn service(&self, channels: Vec<ChannelConfig>) -> AlertDelivery {
        self.service_with(channels, |_| {})
    }

    pub(crate) fn service_with(
        &self,
        channels: Vec<ChannelConfig>,
        change: impl FnOnce(&mut AlertsConfig),
    ) -> AlertDelivery {
        let config = AlertsConfig::default().with(|config| {
            config.channels = channels;
            config.poll_interval = Duration::from_secs(3_600);
            // Long enough that chance does not make it nothing.
            config.backoff_base = Duration::from_secs(3_600);
            config.backoff_cap = Duration::from_secs(4 * 3_600);
            config.total_timeout = PATIENCE;
            change(config);
        });
        AlertDelivery::new(self.db.clone(), config).unwrap()
    }

    /// Moves the clock to a moment and wakes the service.
    pub(crate) fn go_to(&self, moment: Timestamp, service: &AlertDelivery) {
        self.clock.set(moment);
        service.wake();
    }
}

fn open(place: &TestDatabase, micros: i64) -> (Database, Clock) {
    let clock = Clock::manual(at(micros));
    let config = DatabaseConfig::new(place.url()).unwrap().with(|config| {
        // Many tests connect to one small server at once.
        config.postgres.connect_timeout = Duration::from_secs(20);
    });
    let db = Database::open_with_clock(config, clock.clone()).unwrap();
    (db, clock)
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
        std::thread::yield_now();
    }
}

/// Waits until the service has looked once more, from now on: what it does not do then, it does
/// not do.
pub(crate) fn one_more_look(service: &AlertDelivery) {
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
    channel(name, ChannelTarget::Webhook { url, secret })
}
