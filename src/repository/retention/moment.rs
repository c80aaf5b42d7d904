//! From which moments ages are counted back.

use std::time::Duration;

use diesel::dsl;
use diesel::prelude::*;

use super::policies::PolicySet;
use crate::database::BackendConnection;
use crate::domain::RetentionKind;
use crate::error::Result;
use crate::repository::SortOrder;
use crate::repository::bar::{self, BarRange};
use crate::repository::instrument::{self, InstrumentFilter};
use crate::tables::instrument_state;
use crate::timestamp::Timestamp;

/// The moments from which the ages of ticks and of bars are counted back; none without data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ages {
    ticks: Option<Timestamp>,
    bars: Option<Timestamp>,
}

impl Ages {
    /// The newest tick of the database, and the newest of its ticks and bars.
    pub(super) fn of(conn: &mut BackendConnection<'_>, policies: &PolicySet) -> Result<Self> {
        let newest = instrument_state::table
            .filter(instrument_state::is_deleted.eq(false))
            .select(dsl::max(instrument_state::last_tick));
        let ticks: Option<Timestamp> = crate::on_backend!(&mut *conn, |c| newest.get_result(c))?;
        let mut bars = ticks;
        if policies.has(RetentionKind::Bars) {
            for instrument in instrument::list(conn, InstrumentFilter::default())? {
                for frequency in bar::stored_frequencies(conn, instrument.id)? {
                    let range = BarRange {
                        instrument_id: instrument.id,
                        frequency,
                        data_source_id: None,
                        start: None,
                        end: None,
                    };
                    let newest = bar::outermost_starts(conn, &range, SortOrder::Descending, 1)?;
                    bars = bars.max(newest.first().map(|(start, _)| *start));
                }
            }
        }
        Ok(Self { ticks, bars })
    }

    /// These, and a clock: of two the older one counts.
    pub(super) fn at(self, now: Timestamp) -> Self {
        Self {
            ticks: self.ticks.map(|newest| newest.min(now)),
            bars: self.bars.map(|newest| newest.min(now)),
        }
    }

    /// Ticks before it are of this age.
    pub(super) fn ticks_before(self, age: Duration) -> Option<Timestamp> {
        self.ticks.map(|from| before(from, age))
    }

    /// Bars whose period ends up to it are of this age.
    pub(super) fn bars_before(self, age: Duration) -> Option<Timestamp> {
        self.bars.map(|from| before(from, age))
    }
}

/// A moment, and an age before it.
pub(super) fn before(from: Timestamp, age: Duration) -> Timestamp {
    let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    from.saturating_add_micros(-micros)
}
