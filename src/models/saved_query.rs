//! Saved queries: the row, and a new one.

use diesel::prelude::*;

use crate::domain::Frequency;
use crate::error::{Error, Result};
use crate::models::soft_deletable_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::saved_queries;
use crate::timestamp::Timestamp;

/// A query for bars that a user keeps under a name.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = saved_queries)]
#[diesel(
    base_query = saved_queries::table.active(),
    base_query_type = Active<saved_queries::table>
)]
#[non_exhaustive]
pub struct SavedQuery {
    /// Its number.
    pub id: i64,
    /// Its name; several may have the same.
    pub name: String,
    /// A description for people.
    pub description: Option<String>,
    /// The symbols that it asks for, a JSON array of texts.
    pub symbols: String,
    /// Length of the periods that it asks for.
    pub frequency: Frequency,
    /// Start of the range; all that is there without one.
    pub start_date: Option<Timestamp>,
    /// End of the range; until now without one.
    pub end_date: Option<Timestamp>,
    /// What else it asks for, a JSON object.
    pub filters: Option<String>,
    /// True when its user marked it.
    pub is_favorite: bool,
    /// How often it was executed.
    pub execution_count: i64,
    /// When it was last executed.
    pub last_executed: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed; an execution is no change.
    pub updated_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}
soft_deletable_row!(SavedQuery);
crate::identifiable!(SavedQuery of saved_queries by id: i64);

/// A query to save.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = saved_queries, treat_none_as_default_value = false)]
pub struct NewSavedQuery {
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// A description for people, at most 500 characters.
    pub description: Option<String>,
    /// The symbols that it asks for, a JSON array of texts.
    pub symbols: String,
    /// Length of the periods that it asks for.
    pub frequency: Frequency,
    /// Start of the range; all that is there without one.
    pub start_date: Option<Timestamp>,
    /// End of the range; until now without one.
    pub end_date: Option<Timestamp>,
    /// What else it asks for, a JSON object.
    pub filters: Option<String>,
    /// True when its user marked it.
    pub is_favorite: bool,
}

/// The longest name of a saved query, in characters.
const QUERY_NAME_LENGTH_MAX: usize = 100;
/// Its longest description, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 500;

impl NewSavedQuery {
    /// A query for daily bars of everything that is there.
    ///
    /// # Errors
    /// Those of serde_json, which a list of texts does not meet.
    pub fn new<S: AsRef<str>>(name: impl Into<String>, symbols: &[S]) -> Result<Self> {
        let symbols: Vec<&str> = symbols.iter().map(AsRef::as_ref).collect();
        let text = serde_json::to_string(&symbols).map_err(|error| {
            Error::invalid("symbols", error.to_string(), "give a list of symbols")
        })?;
        Ok(Self {
            name: name.into(),
            description: None,
            symbols: text,
            frequency: Frequency::OneDay,
            start_date: None,
            end_date: None,
            filters: None,
            is_favorite: false,
        })
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or description of a wrong length, symbols that are no JSON
    /// array of texts, filters that are no JSON object, a range that ends before it starts.
    pub fn check(&self) -> Result<()> {
        self.check_texts()?;
        match (self.start_date, self.end_date) {
            (Some(start), Some(end)) if end < start => Err(Error::invalid(
                "end_date",
                format!("{end} is before the start, {start}"),
                "give an end after the start, or none",
            )),
            _ => Ok(()),
        }
    }

    /// Checks all but the order of the range.
    pub(crate) fn check_texts(&self) -> Result<()> {
        let length = self.name.chars().count();
        if self.name.trim().is_empty() || length > QUERY_NAME_LENGTH_MAX {
            return Err(Error::invalid(
                "name",
                format!("it has {length} characters"),
                format!("use 1 to {QUERY_NAME_LENGTH_MAX}, not all of them spaces"),
            ));
        }
        let length = self
            .description
            .as_ref()
            .map_or(0, |text| text.chars().count());
        if length > DESCRIPTION_LENGTH_MAX {
            return Err(Error::invalid(
                "description",
                format!("it has {length} characters"),
                format!("use at most {DESCRIPTION_LENGTH_MAX}"),
            ));
        }
        if let Err(error) = serde_json::from_str::<Vec<String>>(&self.symbols) {
            let remedy = "write a JSON array of symbols, such as [\"ES\"]";
            return Err(Error::invalid("symbols", error.to_string(), remedy));
        }
        let filters = self.filters.as_deref();
        let filters = filters.map(serde_json::from_str::<serde_json::Map<_, serde_json::Value>>);
        if let Some(Err(error)) = filters {
            let remedy = "write a JSON object, such as {\"max_records\":10}";
            return Err(Error::invalid("filters", error.to_string(), remedy));
        }
        Ok(())
    }
}
