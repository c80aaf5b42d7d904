//! Rows of the downstream crate's table, and own rows of tickbase's tables.

use diesel::prelude::*;
use tickbase::Timestamp;
use tickbase::soft_delete::{Active, SoftDeletable};
use tickbase::tables::data_sources;

use crate::tables::notes;

/// A note on an instrument. `Note::query()` starts from the active ones.
#[derive(Debug, PartialEq, HasQuery, Associations)]
#[diesel(table_name = notes)]
#[diesel(belongs_to(Source))]
#[diesel(base_query = notes::table.active(), base_query_type = Active<notes::table>)]
pub struct Note {
    pub id: i64,
    pub instrument_id: i64,
    pub source_id: i64,
    pub body: String,
    pub deleted_at: Option<Timestamp>,
}

/// A note to store.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = crate::schema::notes, treat_none_as_default_value = false)]
pub struct NewNote {
    pub instrument_id: i64,
    pub source_id: i64,
    pub body: String,
}

/// Where notes come from: tickbase's table without soft delete.
#[derive(Debug, PartialEq, HasQuery, Identifiable)]
#[diesel(table_name = data_sources)]
pub struct Source {
    pub id: i64,
    pub name: String,
}
