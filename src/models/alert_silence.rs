//! Silences: the row, and a new one.

use std::time::Duration;

use diesel::prelude::*;

use crate::error::{Error, Result};
use crate::tables::alert_silences;
use crate::timestamp::Timestamp;

/// A time in which what a rule fires, or all rules of an instrument do, is stored and not delivered.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = alert_silences)]
#[non_exhaustive]
pub struct AlertSilence {
    /// Its number.
    pub id: i64,
    /// The rule, if it is of one.
    pub rule_id: Option<i64>,
    /// The instrument, if it is of one.
    pub instrument_id: Option<i64>,
    /// When it ends, unless somebody lifts it before.
    pub until: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Who silenced it.
    pub created_by: String,
    /// When it began.
    pub created_at: Timestamp,
    /// Who lifted it, if somebody did.
    pub lifted_by: Option<String>,
    /// When.
    pub lifted_at: Option<Timestamp>,
}

impl AlertSilence {
    /// When it ends, or ended.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.lifted_at.map_or(self.until, |at| at.min(self.until))
    }
}

/// What is silenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceSubject {
    /// One rule.
    Rule(i64),
    /// All rules of an instrument.
    Instrument(i64),
}

/// When a silence ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceEnd {
    /// At this moment, by the clock of the database.
    At(Timestamp),
    /// After this time.
    After(Duration),
}

/// A silence to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlertSilence {
    /// What is silenced.
    pub subject: SilenceSubject,
    /// When it ends.
    pub end: SilenceEnd,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
    /// Who, 1 to 100 characters.
    pub created_by: String,
}

impl NewAlertSilence {
    /// The longest reason, in characters.
    pub const REASON_LENGTH_MAX: usize = 500;
    /// The longest silence: what is to be quiet for ever is a rule to switch off.
    pub const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);

    /// The moment of its end, if it begins now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a reason or a name that is too long, and an end that is not later
    /// than now or too late.
    pub fn checked_end(&self, now: Timestamp) -> Result<Timestamp> {
        check_who("by", &self.created_by)?;
        let reason = self.reason.as_deref().unwrap_or_default();
        check_length("reason", reason, Self::REASON_LENGTH_MAX)?;
        let later = |time: Duration| {
            let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            now.saturating_add_micros(micros)
        };
        let (name, until) = match self.end {
            SilenceEnd::At(until) => ("until", until),
            SilenceEnd::After(time) => ("for", later(time)),
        };
        if until <= now {
            let reason = format!("{until} is not later than now, {now}");
            let remedy = "give the moment at which alerts are delivered again";
            return Err(Error::invalid(name, reason, remedy));
        }
        if until > later(Self::DURATION_MAX) {
            let reason = format!("{until} is more than a year away");
            let remedy = "silence it for a year at most, or switch the rule off";
            return Err(Error::invalid(name, reason, remedy));
        }
        Ok(until)
    }
}

/// The longest name of who did something, in characters.
pub(crate) const WHO_LENGTH_MAX: usize = 100;

/// Checks the name of who did something.
pub(crate) fn check_who(name: &str, who: &str) -> Result<()> {
    if who.trim().is_empty() {
        let remedy = "say who does it";
        return Err(Error::invalid(name, "it is empty", remedy));
    }
    check_length(name, who, WHO_LENGTH_MAX)
}

/// Checks a text for people.
pub(crate) fn check_length(name: &str, text: &str, most: usize) -> Result<()> {
    // PostgreSQL stores no NUL.
    if text.contains('\0') {
        let remedy = "leave the character NUL out";
        return Err(Error::invalid(name, "it has the character NUL", remedy));
    }
    let length = text.chars().count();
    if length > most {
        let reason = format!("it has {length} characters");
        return Err(Error::invalid(name, reason, format!("use at most {most}")));
    }
    Ok(())
}
