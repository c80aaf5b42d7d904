//! What is built from an instrument's ticks, as an answer may use it: which periods of a series
//! hold, and which have to be made anew. It builds nothing.

use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::models::BarSeries;
use crate::repository::bar_series::{self, BUILT_SOURCE_NAME};
use crate::repository::data_source;

use super::spans::{Span, without};

/// The built bars of an instrument: their source, and the series that there are.
pub(super) struct Built {
    /// None when the source is missing, and with it all built bars.
    pub(super) source_id: Option<i64>,
    series: Vec<BarSeries>,
}

impl Built {
    pub(super) fn load(conn: &mut BackendConnection<'_>, instrument_id: i64) -> Result<Self> {
        let source = data_source::by_name(conn, BUILT_SOURCE_NAME)?;
        Ok(Self {
            series: match source {
                Some(_) => bar_series::of_instrument(conn, instrument_id)?,
                None => Vec::new(),
            },
            source_id: source.map(|source| source.id),
        })
    }

    /// The spans of `within` whose periods of `frequency` can be told by the built bars of `by`,
    /// which is the same frequency or one that divides it: all of them built, none stale.
    pub(super) fn holding(
        &self,
        conn: &mut BackendConnection<'_>,
        by: Frequency,
        frequency: Frequency,
        within: Span,
    ) -> Result<Vec<Span>> {
        let Some(series) = self.series.iter().find(|series| series.frequency == by) else {
            return Ok(Vec::new());
        };
        let built = Span {
            start: series.built_from.micros(),
            end: series.built_to.micros(),
        };
        let span = built.and(within).whole_periods(frequency);
        if span.is_empty() {
            return Ok(Vec::new());
        }
        let (first, last) = span.moments();
        let end = last.saturating_add_micros(1);
        let id = series.instrument_id;
        let stale = bar_series::stale_between(conn, id, by, first, end, usize::MAX)?;
        let mut holes: Vec<Span> = stale
            .into_iter()
            .map(|start| Span::period(frequency, start))
            .collect();
        holes.dedup();
        Ok(without(&[span], &holes))
    }
}
