//! What a composition has read so far: the parts of periods, the sources that they come from, and
//! how many rows it took. It reads nothing itself.

use super::parts::PeriodPart;

/// A bar takes about as long to read as so many ticks.
const TICKS_PER_BAR: usize = 5;

/// What has been read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) parts: Vec<PeriodPart>,
    pub(super) ticks_read: usize,
    pub(super) bars_read: usize,
    /// The sources of bars, each with the last moment that it gave.
    sources: Vec<(i64, i64)>,
    last_tick: Option<i64>,
}

impl Reading {
    pub(super) fn note_source(&mut self, source_id: i64, micros: i64) {
        match self.sources.iter_mut().find(|(id, _)| *id == source_id) {
            Some((_, last)) => *last = micros.max(*last),
            None => self.sources.push((source_id, micros)),
        }
    }

    pub(super) fn note_ticks(&mut self, last: i64) {
        self.last_tick = self.last_tick.max(Some(last));
    }

    /// What it took, in ticks.
    pub(super) fn cost(&self) -> usize {
        self.ticks_read + TICKS_PER_BAR * self.bars_read
    }

    pub(super) fn into_sources(self) -> ComposedSources {
        let mut bars = self.sources;
        bars.sort_unstable();
        ComposedSources {
            bars,
            last_tick: self.last_tick,
        }
    }
}

/// Where bars come from. A source gives something of every period that it is named for, and of the
/// oldest bars of an answer some may be left out: so each has the last moment that it gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComposedSources {
    bars: Vec<(i64, i64)>,
    last_tick: Option<i64>,
}

impl ComposedSources {
    /// The data sources of the bars from a moment on, by id.
    pub(crate) fn data_sources(&self, from: i64) -> Vec<i64> {
        let given = self.bars.iter().filter(|(_, last)| *last >= from);
        given.map(|(id, _)| *id).collect()
    }

    /// Whether ticks were folded into bars from a moment on.
    pub(crate) fn has_ticks(&self, from: i64) -> bool {
        self.last_tick.is_some_and(|last| last >= from)
    }
}
