//! The limit of stamps ahead of the clock. Which ticks are past it, the order of a batch tells.

use std::time::Duration;

use crate::config::WriteConfig;
use crate::database::BackendConnection;
use crate::timestamp::Timestamp;

/// The limit of ticks ahead of the clock. One tick of a far future would be the last tick of its
/// instrument for years: every later one would be late, and late ticks fire no rule.
pub(super) struct FutureLimit {
    now: Timestamp,
    /// The last stamp that is taken.
    pub(super) newest_allowed: Timestamp,
}

impl FutureLimit {
    /// By `write.future_seconds_max` of the database; without a limit outside of its transactions.
    pub(super) fn of(conn: &mut BackendConnection<'_>, now: Timestamp) -> Self {
        let ahead = conn.attached::<WriteConfig>().map(|write| write.future_max);
        let newest_allowed = match ahead {
            None | Some(Duration::ZERO) => Timestamp::MAX,
            Some(ahead) => {
                let micros = i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX);
                now.saturating_add_micros(micros)
            }
        };
        Self {
            now,
            newest_allowed,
        }
    }

    /// Why a tick of this stamp is rejected.
    pub(super) fn reason(&self, timestamp: Timestamp) -> String {
        let seconds = (self.newest_allowed.micros() - self.now.micros()) / 1_000_000;
        format!(
            "timestamp: {timestamp} is more than {seconds} s ahead of the clock, which says {}; check \
             its unit and zone, or raise write.future_seconds_max (0: no limit)",
            self.now
        )
    }
}
