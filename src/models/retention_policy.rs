//! Retention policies: the row, and a new one.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{Frequency, RetentionKind};
use crate::error::{Error, Result};
use crate::tables::retention_policies;
use crate::timestamp::{Timestamp, format_span};

/// How long some ticks or bars stay. Of the policies that hold for a tick or a bar the most specific one
/// counts: one of its instrument, then one of its source, then one of its frequency, then one of all.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = retention_policies)]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// Its number.
    pub id: i64,
    /// What it is of.
    pub kind: RetentionKind,
    /// The instrument; all without one.
    pub instrument_id: Option<i64>,
    /// Of bars, the data source; all without one.
    pub data_source_id: Option<i64>,
    /// Of bars, the length of their periods; all without one.
    pub frequency: Option<Frequency>,
    /// The age at which ticks are archived, in seconds; without one they are when they are deleted.
    pub archive_after_seconds: Option<i64>,
    /// The age at which they are moved to the trash, in seconds; without one, never.
    pub delete_after_seconds: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl RetentionPolicy {
    /// The age at which ticks are archived.
    #[must_use]
    pub fn archive_after(&self) -> Option<Duration> {
        self.archive_after_seconds.map(duration)
    }

    /// The age at which ticks or bars are moved to the trash.
    #[must_use]
    pub fn delete_after(&self) -> Option<Duration> {
        self.delete_after_seconds.map(duration)
    }
}

fn duration(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// A policy to set. One of the same kind, instrument, source and frequency is replaced by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRetentionPolicy {
    /// What it is of.
    pub kind: RetentionKind,
    /// The instrument; all without one.
    pub instrument_id: Option<i64>,
    /// The data source, of bars alone: a file of the archive has the ticks of all sources.
    pub data_source_id: Option<i64>,
    /// The length of their periods, of bars alone.
    pub frequency: Option<Frequency>,
    /// The age at which ticks are archived: a day at least.
    pub archive_after: Option<Duration>,
    /// The age at which they are moved to the trash: a day at least.
    pub delete_after: Option<Duration>,
}

impl NewRetentionPolicy {
    /// The least age: what is meant as months is not read as minutes.
    pub const AGE_MIN: Duration = Duration::from_secs(86_400);
    /// The greatest age: 1,000 years of 365 days.
    pub const AGE_MAX: Duration = Duration::from_secs(365_000 * 86_400);

    /// A policy of this kind that keeps all for ever.
    #[must_use]
    pub fn of(kind: RetentionKind) -> Self {
        Self {
            kind,
            instrument_id: None,
            data_source_id: None,
            frequency: None,
            archive_after: None,
            delete_after: None,
        }
    }

    /// Checks that it means something.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what does not fit: a source or a frequency of ticks, the archiving of bars,
    /// an age below a day, one of deletion that is not above the one of archiving.
    pub fn checked(self) -> Result<Self> {
        if self.kind == RetentionKind::Ticks {
            let remedy = "leave it out, or give kind bars";
            if self.data_source_id.is_some() {
                let reason = "a file of the archive has the ticks of all sources";
                return Err(Error::invalid("source", reason, remedy));
            }
            if self.frequency.is_some() {
                return Err(Error::invalid("frequency", "ticks have none", remedy));
            }
        } else if self.archive_after.is_some() {
            let remedy = "leave it out, or give kind ticks";
            return Err(Error::invalid(
                "archive_after",
                "bars are not archived",
                remedy,
            ));
        }
        let ages = [
            ("archive_after", self.archive_after),
            ("delete_after", self.delete_after),
        ];
        for (name, age) in ages {
            let Some(age) = age else { continue };
            if !(Self::AGE_MIN..=Self::AGE_MAX).contains(&age) || age.subsec_nanos() > 0 {
                let reason = format!("{} cannot be an age", format_span(age));
                let remedy = "give whole seconds, from 1d to 365000d";
                return Err(Error::invalid(name, reason, remedy));
            }
        }
        match (self.archive_after, self.delete_after) {
            (Some(archive), Some(delete)) if delete <= archive => {
                let reason = format!(
                    "{} is not above archive_after, {}",
                    format_span(delete),
                    format_span(archive)
                );
                let remedy = "give a greater one, or leave archive_after out";
                Err(Error::invalid("delete_after", reason, remedy))
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_policy_that_means_nothing_is_refused_by_name() {
        let ticks = NewRetentionPolicy::of(RetentionKind::Ticks);
        let bars = NewRetentionPolicy::of(RetentionKind::Bars);
        for (policy, name) in [
            (
                NewRetentionPolicy {
                    data_source_id: Some(1),
                    ..ticks
                },
                "source",
            ),
            (
                NewRetentionPolicy {
                    frequency: Some(Frequency::OneDay),
                    ..ticks
                },
                "frequency",
            ),
            (
                NewRetentionPolicy {
                    archive_after: Some(DAY),
                    ..bars
                },
                "archive_after",
            ),
            (
                NewRetentionPolicy {
                    delete_after: Some(DAY / 2),
                    ..bars
                },
                "delete_after",
            ),
            (
                NewRetentionPolicy {
                    archive_after: Some(Duration::ZERO),
                    ..ticks
                },
                "archive_after",
            ),
            (
                NewRetentionPolicy {
                    delete_after: Some(DAY + Duration::from_millis(1)),
                    ..bars
                },
                "delete_after",
            ),
            (
                NewRetentionPolicy {
                    archive_after: Some(DAY * 2),
                    delete_after: Some(DAY * 2),
                    ..ticks
                },
                "delete_after",
            ),
        ] {
            let error = policy.checked().unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
        for policy in [
            ticks,
            bars,
            NewRetentionPolicy {
                archive_after: Some(DAY),
                delete_after: Some(DAY * 2),
                ..ticks
            },
        ] {
            assert_eq!(policy.checked().unwrap(), policy);
        }
    }
}
