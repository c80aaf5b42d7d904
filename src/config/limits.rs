//! What every section of the settings does with its values: limits, and laying one value over
//! another. It knows no setting.

use std::time::Duration;

use crate::error::{Error, Result};

/// Refuses a value outside its limits.
pub(super) fn within(name: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let remedy = format!("give a value from {least} to {most}");
    Err(Error::config(name, format!("{value} cannot work"), remedy))
}

/// Refuses a duration of nothing.
pub(super) fn positive(name: &str, value: Duration) -> Result<()> {
    if value.is_zero() {
        return Err(Error::config(
            name,
            "0 would give up at once",
            "give a duration above 0",
        ));
    }
    Ok(())
}

/// Changes a setting that a layer names.
pub(super) fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}
