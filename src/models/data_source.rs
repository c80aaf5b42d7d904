//! Data sources: the row, and a new one.

use diesel::prelude::*;

use crate::domain::ProviderType;
use crate::tables::data_sources;
use crate::timestamp::Timestamp;

/// Where ticks and bars come from.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = data_sources)]
#[non_exhaustive]
pub struct DataSource {
    /// Its number; 1 is "tickbase".
    pub id: i64,
    /// Its name, unique.
    pub name: String,
    /// How it delivers.
    pub provider_type: ProviderType,
    /// Where it is asked.
    pub base_url: Option<String>,
    /// Requests that it allows in a minute.
    pub rate_limit_per_minute: i32,
    /// Whether it is used.
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
#[diesel(table_name = crate::schema::data_sources, treat_none_as_default_value = false)]
pub struct NewDataSource {
    /// Its name, unique.
    pub name: String,
    /// How it delivers.
    pub provider_type: ProviderType,
    /// Where it is asked.
    pub base_url: Option<String>,
    /// Requests that it allows in a minute.
    pub rate_limit_per_minute: i32,
    /// Whether it is used.
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
}
