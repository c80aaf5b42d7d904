//! Rows of the downstream crate's table, and own rows of tickbase's tables.

use diesel::prelude::*;
use tickbase::Timestamp;
use tickbase::models::Instrument;
use tickbase::soft_delete::{Active, SoftDeletable};
use tickbase::tables::{data_sources, market_data};

use crate::tables::notes;

/// A note on an instrument. `Note::query()` starts from the active ones.
#[derive(Debug, PartialEq, HasQuery, Associations)]
#[diesel(table_name = notes)]
#[diesel(belongs_to(Source))]
#[diesel(belongs_to(Instrument))]
#[diesel(base_query = notes::table.active(), base_query_type = Active<notes::table>)]
pub struct Note {
    pub id: i64,
    pub instrument_id: i64,
    pub source_id: i64,
    pub body: String,
    pub deleted_at: Option<Timestamp>,
}
tickbase::identifiable!(Note of notes by id: i64);

/// A note to store.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = notes, treat_none_as_default_value = false)]
pub struct NewNote {
    pub instrument_id: i64,
    pub source_id: i64,
    pub body: String,
}

/// Another text for a note, or none.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = notes)]
pub struct NoteChange {
    pub body: Option<String>,
}

/// A row of a gated table of tickbase, with every derive that Diesel has for it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Associations)]
#[diesel(table_name = market_data)]
#[diesel(belongs_to(Instrument))]
#[diesel(primary_key(instrument_id, timestamp, source_id, sequence))]
#[diesel(treat_none_as_default_value = false)]
pub struct Trade {
    pub instrument_id: i64,
    pub timestamp: Timestamp,
    pub source_id: i64,
    pub sequence: i64,
    pub price: Option<f64>,
}
tickbase::identifiable!(
    Trade of market_data
    by instrument_id: i64, timestamp: Timestamp, source_id: i64, sequence: i64
);

/// Where notes come from: tickbase's table without soft delete.
#[derive(Debug, PartialEq, HasQuery, Identifiable)]
#[diesel(table_name = data_sources)]
pub struct Source {
    pub id: i64,
    pub name: String,
}
