//! Which row of the old file became which row here. It is kept as the settings of the data source
//! of the adoption, and written in the transaction that brings the rows over: a second run knows by
//! it what is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::database::BackendConnection;
use crate::error::{Error, Result};
use crate::models::{DataSource, DataSourceChange};
use crate::repository::data_source;
use crate::timestamp::Timestamp;

/// The program whose rows they are.
const PROGRAM: &str = "TradeAssist";

/// New numbers by old ones. Ticks and alerts need none: their old number is their `sequence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AdoptedIds {
    /// The program; it tells these settings from others.
    adopted_from: String,
    pub(super) instruments: BTreeMap<i64, i64>,
    pub(super) rules: BTreeMap<i64, i64>,
    pub(super) saved_queries: BTreeMap<i64, i64>,
}

impl AdoptedIds {
    /// Nothing was brought over yet.
    pub(super) fn none() -> Self {
        Self {
            adopted_from: PROGRAM.to_owned(),
            instruments: BTreeMap::new(),
            rules: BTreeMap::new(),
            saved_queries: BTreeMap::new(),
        }
    }

    /// What a data source says was brought over.
    pub(super) fn of(source: &DataSource) -> Result<Self> {
        let settings = source.configuration.as_deref();
        let read = settings.and_then(|text| serde_json::from_str::<Self>(text).ok());
        read.filter(|ids| ids.adopted_from == PROGRAM)
            .ok_or_else(|| {
                Error::invalid(
                    "source",
                    format!(
                        "the data source {:?} is there and is not of an adoption",
                        source.name
                    ),
                    "name another one with --source",
                )
            })
    }

    /// As the settings of a data source.
    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::invalid(
                "source",
                error.to_string(),
                "name another one with --source",
            )
        })
    }

    /// Writes them down where they differ from what was known.
    pub(super) fn save(
        &self,
        conn: &mut BackendConnection<'_>,
        source_id: i64,
        before: &Self,
        now: Timestamp,
    ) -> Result<()> {
        if self == before {
            return Ok(());
        }
        let change = DataSourceChange {
            configuration: Some(Some(self.text()?)),
            ..DataSourceChange::default()
        };
        data_source::update(conn, source_id, &change, now).map(|_| ())
    }
}
