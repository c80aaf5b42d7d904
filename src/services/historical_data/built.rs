//! What is built from an instrument's ticks, as an answer may use it. It builds nothing.

use crate::database::BackendConnection;
use crate::error::Result;
use crate::repository::data_source;

/// The name of the source of built bars.
const BUILT_SOURCE_NAME: &str = "tickbase-bars";

/// The built bars of an instrument: their source, and the series that there are.
pub(super) struct Built {
    /// None when the source is missing, and with it all built bars.
    pub(super) source_id: Option<i64>,
}

impl Built {
    pub(super) fn load(conn: &mut BackendConnection<'_>, _instrument_id: i64) -> Result<Self> {
        let source = data_source::by_name(conn, BUILT_SOURCE_NAME)?;
        Ok(Self {
            source_id: source.map(|source| source.id),
        })
    }
}
