//! The limits that values of every section are held to. It knows no setting.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Error, Result};

/// Refuses a value outside its limits.
pub(super) fn within(
    name: &str,
    value: impl TryInto<u64>,
    limits: RangeInclusive<u64>,
) -> Result<()> {
    let value = value.try_into().unwrap_or(u64::MAX);
    if limits.contains(&value) {
        return Ok(());
    }
    let remedy = format!("give a value from {} to {}", limits.start(), limits.end());
    Err(Error::config(name, format!("{value} cannot work"), remedy))
}

/// Refuses an interval that is shorter than a minute, or longer than a year.
pub(super) fn within_span(name: &str, value: Duration) -> Result<()> {
    let limits = Duration::from_secs(60)..=Duration::from_secs(366 * 86_400);
    if limits.contains(&value) {
        return Ok(());
    }
    let reason = format!("{value:?} cannot work");
    Err(Error::config(name, reason, "give a time from 1m to 366d"))
}

/// Refuses a duration of nothing.
pub(super) fn positive(name: &str, value: Duration) -> Result<()> {
    if value.is_zero() {
        let reason = "0 would give up at once";
        return Err(Error::config(name, reason, "give a duration above 0"));
    }
    Ok(())
}
