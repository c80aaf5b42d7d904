//! The bars of an instrument, put together from everything that is stored of it.
//!
//! Each source adds bars only to the spans that those before it left open; of two bars of a period
//! the first one stays. Everything is read in one snapshot.

use std::cmp::Ordering;

use crate::database::BackendConnection;
use crate::domain::{Aggregator, BarAggregator, Frequency, TickFold};
use crate::error::Result;
use crate::models::MarketDataBar;
use crate::repository::bar::{self, BarRange};
use crate::repository::market_data;
use crate::timestamp::Timestamp;

use super::built::Built;
use super::fill::filled;
use super::newest;
use super::query::{BarHistory, BarOrigin, BarQuery, HistoryBar};
use super::spans::{Span, bridged, without};

/// Open spans that so many periods divide, or fewer, are read as one.
const BRIDGED_PERIODS_MAX: i64 = 64;

/// The bars that the query asks for, oldest first.
///
/// Only what starts in the range is in the answer, and each bar is whole. With `max_records` it is
/// found from the end of the range backwards, and nothing older is read. All of it is of one
/// moment, whatever is written meanwhile: see [`BackendConnection::snapshot`].
///
/// # Errors
/// [`Error::Invalid`] for a start after the end, no records, or a price that no bar can hold;
/// [`Error::Query`].
pub fn bars(conn: &mut BackendConnection<'_>, query: &BarQuery) -> Result<BarHistory> {
    conn.snapshot(|conn| of_snapshot(conn, query))
}

fn of_snapshot(conn: &mut BackendConnection<'_>, query: &BarQuery) -> Result<BarHistory> {
    let built = Built::load(conn, query.instrument_id)?;
    let reader = Reader {
        id: query.instrument_id,
        frequency: query.frequency,
        source: query.source,
        built,
    };
    let limit = query.max_records.unwrap_or(usize::MAX);
    let mut span = query.span()?;
    if query.max_records.is_some() {
        // One more tells whether there are more.
        span = reader.newest(conn, span, limit.saturating_add(1))?;
    }
    let bars = reader.read(conn, span)?;
    let (bars, has_more) = filled(bars, query.frequency, query.fill, limit);
    conn.record_rows(bars.len());
    Ok(BarHistory { bars, has_more })
}

/// Which finer bars.
#[derive(Clone, Copy)]
enum FinerBars {
    /// Those that were built from ticks.
    Built,
    /// Those that came in.
    Outside,
}

/// One read of one instrument.
struct Reader {
    id: i64,
    frequency: Frequency,
    source: Option<i64>,
    built: Built,
}

impl Reader {
    /// The end of the span that holds its newest `count` periods with a bar, or a little more: no
    /// source reaches further back with as many.
    fn newest(&self, conn: &mut BackendConnection<'_>, span: Span, count: usize) -> Result<Span> {
        let mut span = span;
        let begin = |span: &mut Span, start: Option<i64>| {
            span.start = start.unwrap_or(span.start);
        };
        let start = self.newest_of_bars(conn, self.frequency, span, count);
        begin(&mut span, start?);
        if self.source.is_some() {
            return Ok(span);
        }
        let start = newest::period_start(self.frequency, span, count, |span, limit| {
            market_data::newest_stamps(conn, self.id, span.moments(), limit)
        });
        begin(&mut span, start?);
        for finer in self.finer() {
            let start = self.newest_of_bars(conn, finer, span, count);
            begin(&mut span, start?);
        }
        Ok(span)
    }

    /// Where the newest `count` periods begin, as far as stored bars of a frequency tell: those
    /// that came in, and the built ones that hold.
    fn newest_of_bars(
        &self,
        conn: &mut BackendConnection<'_>,
        by: Frequency,
        span: Span,
        count: usize,
    ) -> Result<Option<i64>> {
        let holding = match self.source {
            None => self.built.holding(conn, by, self.frequency, span)?,
            Some(_) => Vec::new(),
        };
        newest::period_start(self.frequency, span, count, |span, limit| {
            self.starts(conn, &span.bars(self.id, by), &holding, limit)
        })
    }

    /// The newest starts of such bars; none only when there is none in the range.
    fn starts(
        &self,
        conn: &mut BackendConnection<'_>,
        range: &BarRange,
        holding: &[Span],
        mut limit: usize,
    ) -> Result<Vec<Timestamp>> {
        let range = BarRange {
            data_source_id: self.source,
            ..*range
        };
        loop {
            let all = bar::newest_starts(conn, &range, limit)?;
            let tells = |(start, source): &&(Timestamp, i64)| {
                let is_built = self.source.is_none() && self.built.source_id == Some(*source);
                !is_built || held_by(holding, *start)
            };
            let starts: Vec<Timestamp> = all.iter().filter(tells).map(|bar| bar.0).collect();
            if !starts.is_empty() || all.len() < limit {
                return Ok(starts);
            }
            limit *= 2; // All of them are stale.
        }
    }

    /// The bars of a span, each period once, oldest first.
    fn read(&self, conn: &mut BackendConnection<'_>, span: Span) -> Result<Vec<HistoryBar>> {
        let holding = match self.source {
            None => self
                .built
                .holding(conn, self.frequency, self.frequency, span)?,
            Some(_) => Vec::new(),
        };
        let mut bars = self.stored(conn, span, &holding)?;
        if self.source.is_some() {
            return Ok(bars);
        }
        // Where built bars hold, a period without one has no ticks.
        let mut open = without(&self.left(&[span], &bars), &holding);
        for finer in self.finer() {
            let mut told = Vec::new();
            for span in &open {
                told.extend(self.built.holding(conn, finer, self.frequency, *span)?);
            }
            self.add_from_finer(conn, finer, FinerBars::Built, &told, &mut bars)?;
            open = without(&open, &told);
        }
        self.add_from_ticks(conn, &open, &mut bars)?;
        self.order(&mut bars);
        let mut open = self.left(&[span], &bars);
        for finer in self.finer() {
            let spans = self.bridged(&open);
            self.add_from_finer(conn, finer, FinerBars::Outside, &spans, &mut bars)?;
            self.order(&mut bars);
            open = self.left(&open, &bars);
        }
        Ok(bars)
    }

    /// What of the spans has no bar.
    fn left(&self, spans: &[Span], bars: &[HistoryBar]) -> Vec<Span> {
        let held: Vec<Span> = bars.iter().map(|bar| self.period(bar)).collect();
        without(spans, &held)
    }

    fn period(&self, bar: &HistoryBar) -> Span {
        Span::period(self.frequency, bar.timestamp)
    }

    /// By time; of the bars of a period the one that was added first. Stored ones stay: a source
    /// may name its periods by another moment than their start.
    fn order(&self, bars: &mut Vec<HistoryBar>) {
        let start = |bar: &HistoryBar| self.period(bar).start;
        bars.sort_by_key(start);
        bars.dedup_by(|later, bar| {
            later.origin == BarOrigin::Aggregated && start(later) == start(bar)
        });
    }

    /// Frequencies whose bars make up one of this read, coarsest first.
    fn finer(&self) -> impl Iterator<Item = Frequency> + use<> {
        let of = self.frequency;
        Frequency::ALL
            .into_iter()
            .rev()
            .filter(move |finer| finer.divides(of))
    }

    /// The stored bars of the frequency, of each period the best; of the built ones those that
    /// hold.
    fn stored(
        &self,
        conn: &mut BackendConnection<'_>,
        span: Span,
        holding: &[Span],
    ) -> Result<Vec<HistoryBar>> {
        let mut range = span.bars(self.id, self.frequency);
        range.data_source_id = self.source;
        let mut bars: Vec<HistoryBar> = Vec::new();
        bar::scan(conn, &range, None, |row| {
            let source = row.data_source_id;
            let is_built = self.built.source_id == Some(source);
            if is_built && self.source.is_none() && !held_by(holding, row.timestamp) {
                return Ok(());
            }
            let origin = match is_built {
                true => BarOrigin::Built,
                false => BarOrigin::Imported(source),
            };
            let period = Span::period(self.frequency, row.timestamp);
            while let Some(held) = bars.last().filter(|bar| self.period(bar) == period) {
                match precedence(origin).cmp(&precedence(held.origin)) {
                    Ordering::Greater => return Ok(()),
                    Ordering::Equal => break, // Two moments of one period, from one source.
                    Ordering::Less => drop(bars.pop()),
                }
            }
            bars.push(HistoryBar::stored(row, origin));
            Ok(())
        })?;
        Ok(bars)
    }

    fn bridged(&self, open: &[Span]) -> Vec<Span> {
        let (start, end) = self.frequency.period_micros(0);
        bridged(open.to_vec(), BRIDGED_PERIODS_MAX * (end - start))
    }

    fn add_from_ticks(
        &self,
        conn: &mut BackendConnection<'_>,
        open: &[Span],
        bars: &mut Vec<HistoryBar>,
    ) -> Result<()> {
        for span in self.bridged(open) {
            let mut fold = Aggregator::new(self.frequency);
            let mut push = |period: TickFold| bars.push(HistoryBar::aggregated(period.to_bar()));
            market_data::prices(conn, &span.ticks(self.id), |tick| {
                fold.add(tick.timestamp, tick.price, tick.volume)
                    .into_iter()
                    .for_each(&mut push);
                Ok(())
            })?;
            fold.finish().into_iter().for_each(push);
        }
        Ok(())
    }

    /// Adds what finer bars make of the spans.
    fn add_from_finer(
        &self,
        conn: &mut BackendConnection<'_>,
        finer: Frequency,
        from: FinerBars,
        spans: &[Span],
        bars: &mut Vec<HistoryBar>,
    ) -> Result<()> {
        for span in spans {
            let mut range = span.bars(self.id, finer);
            let but = match from {
                FinerBars::Built => {
                    range.data_source_id = self.built.source_id;
                    None
                }
                FinerBars::Outside => self.built.source_id,
            };
            let mut fold = BarAggregator::new(self.frequency);
            // Those of one period, from one source, and where it ends.
            let (mut held, mut end): (Vec<MarketDataBar>, i64) = (Vec::new(), i64::MIN);
            bar::scan(conn, &range, but, |row| {
                if row.timestamp.micros() >= end {
                    end = Span::period(finer, row.timestamp).end;
                    let done = held.drain(..).filter_map(|bar| fold.add(bar.into()));
                    bars.extend(done.map(HistoryBar::aggregated));
                }
                let source = held
                    .first()
                    .map_or(row.data_source_id, |bar| bar.data_source_id);
                if row.data_source_id < source {
                    held.clear();
                }
                if row.data_source_id <= source {
                    held.push(row);
                }
                Ok(())
            })?;
            let done = held.drain(..).filter_map(|bar| fold.add(bar.into()));
            bars.extend(done.map(HistoryBar::aggregated));
            bars.extend(fold.finish().map(HistoryBar::aggregated));
        }
        Ok(())
    }
}

/// Which of the stored bars of a period is answered with, least first: what came in, by its
/// source, then what was built.
fn precedence(origin: BarOrigin) -> i64 {
    match origin {
        BarOrigin::Imported(source) => source,
        BarOrigin::Built | BarOrigin::Aggregated | BarOrigin::Filled => i64::MAX,
    }
}

/// Whether one of the spans, which are in order, holds the moment.
fn held_by(spans: &[Span], at: Timestamp) -> bool {
    let after = spans.partition_point(|span| span.end <= at.micros());
    let span = spans.get(after);
    span.is_some_and(|span| span.start <= at.micros())
}
