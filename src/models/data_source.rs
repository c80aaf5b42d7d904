//! Data sources: the row, a new one, and a change.

use diesel::prelude::*;

use crate::domain::ProviderType;
use crate::error::{Error, Result};
use crate::tables::data_sources;
use crate::timestamp::Timestamp;

/// The origin of ticks and bars.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = data_sources)]
#[non_exhaustive]
pub struct DataSource {
    /// Its number; 1 is "tickbase".
    pub id: i64,
    /// Its name, unique.
    pub name: String,
    /// The way in which it delivers.
    pub provider_type: ProviderType,
    /// The URL of its API.
    pub base_url: Option<String>,
    /// Requests that it allows in a minute.
    pub rate_limit_per_minute: i32,
    /// True when it is used.
    pub is_active: bool,
    /// Its settings, JSON text.
    pub configuration: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A data source to add.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = data_sources, treat_none_as_default_value = false)]
pub struct NewDataSource {
    /// Its name, unique.
    pub name: String,
    /// The way in which it delivers.
    pub provider_type: ProviderType,
    /// The URL of its API.
    pub base_url: Option<String>,
    /// Requests that it allows in a minute.
    pub rate_limit_per_minute: i32,
    /// True when it is used.
    pub is_active: bool,
    /// Its settings, JSON text.
    pub configuration: Option<String>,
}

impl NewDataSource {
    /// An active source with 60 requests a minute and no settings.
    #[must_use]
    pub fn new(name: impl Into<String>, provider_type: ProviderType) -> Self {
        Self {
            name: name.into(),
            provider_type,
            base_url: None,
            rate_limit_per_minute: 60,
            is_active: true,
            configuration: None,
        }
    }
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is empty or too long, a rate below zero, settings that
    /// are not JSON.
    pub fn check(&self) -> Result<()> {
        let length = self.name.chars().count();
        if self.name.trim().is_empty() || length > SOURCE_NAME_LENGTH_MAX {
            return Err(Error::invalid(
                "name",
                format!("it has {length} characters"),
                format!("use 1 to {SOURCE_NAME_LENGTH_MAX}, not all of them spaces"),
            ));
        }
        check_rate(Some(self.rate_limit_per_minute))?;
        check_configuration(self.configuration.as_deref())
    }
}

/// A change of a data source: `None` leaves a column as it is, `Some(None)` writes NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = data_sources)]
pub struct DataSourceChange {
    /// The way in which it delivers.
    pub provider_type: Option<ProviderType>,
    /// The URL of its API.
    pub base_url: Option<Option<String>>,
    /// Requests that it allows in a minute.
    pub rate_limit_per_minute: Option<i32>,
    /// True when it is used.
    pub is_active: Option<bool>,
    /// Its settings, JSON text.
    pub configuration: Option<Option<String>>,
}

impl DataSourceChange {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a rate below zero, settings that are not JSON.
    pub fn check(&self) -> Result<()> {
        check_rate(self.rate_limit_per_minute)?;
        check_configuration(self.configuration.as_ref().and_then(|text| text.as_deref()))
    }
}

/// The longest name of a data source, in characters.
const SOURCE_NAME_LENGTH_MAX: usize = 100;

fn check_rate(rate: Option<i32>) -> Result<()> {
    match rate {
        Some(rate) if rate < 0 => Err(Error::invalid(
            "rate_limit_per_minute",
            format!("{rate} is below zero"),
            "give the requests of a minute, 0 for a source that is never asked",
        )),
        _ => Ok(()),
    }
}

/// The text may hold keys of a vendor: an error does not repeat it.
fn check_configuration(text: Option<&str>) -> Result<()> {
    match text.map(serde_json::from_str::<serde::de::IgnoredAny>) {
        Some(Err(error)) => Err(Error::invalid(
            "configuration",
            format!(
                "line {} column {} is not JSON",
                error.line(),
                error.column()
            ),
            "write the settings as JSON",
        )),
        _ => Ok(()),
    }
}
