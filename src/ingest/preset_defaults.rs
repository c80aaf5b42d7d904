//! Fills in the options of an import and of a feed from a preset, where the user gives none.

use super::columns::{ColumnMap, ColumnSelector};
use super::import::Import;
use super::options::FeedOptions;
use super::preset::{ColumnAt, Preset, PresetHeader, PresetZone};
use crate::error::{Error, Result};

impl Preset {
    /// The import of files in this layout: what the user says, and else what the preset does.
    ///
    /// # Errors
    /// Those of [`Preset::options`].
    pub fn import(&'static self, by_user: Import) -> Result<Import> {
        Ok(Import {
            kind: by_user.kind.or(Some(self.kind)),
            frequency: by_user.frequency.or(self.frequency),
            feed: self.options(by_user.feed)?,
            ..by_user
        })
    }

    /// The options of a feed in this layout: what the user says, and else what the preset does.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the vendor's stamps are in a zone that only the user knows, and no
    /// zone is named.
    pub fn options(&'static self, by_user: FeedOptions) -> Result<FeedOptions> {
        let zone = match (&by_user.timezone, self.zone) {
            (Some(zone), _) => Some(zone.clone()),
            (None, PresetZone::Utc) => None,
            (None, PresetZone::Named(name)) => Some(name.parse()?),
            (None, PresetZone::OfTheServer) => {
                return Err(Error::invalid(
                    "timezone",
                    format!(
                        "stamps of the preset {} are in the zone of the server that wrote the \
                         file, which it does not say",
                        self.name
                    ),
                    "name it, like --timezone Europe/Athens or --timezone +02:00",
                ));
            }
        };
        let columns = self.columns.iter().map(|(field, at)| {
            let column = match *at {
                ColumnAt::Position(position) => ColumnSelector::Position(position),
                ColumnAt::Name(name) => ColumnSelector::Name(name.to_owned()),
                ColumnAt::Nowhere => ColumnSelector::Absent,
            };
            (*field, column)
        });
        Ok(FeedOptions {
            delimiter: by_user.delimiter.or(self.delimiter),
            header: by_user.header.or(match self.header {
                PresetHeader::Always => Some(true),
                PresetHeader::Sometimes(..) => None,
                PresetHeader::Never(_) => Some(false),
            }),
            columns: by_user.columns.or(ColumnMap::new(columns)),
            date_order: by_user.date_order.or(self.date_order),
            timezone: zone,
            preset: Some(self),
            ..by_user
        })
    }
}
