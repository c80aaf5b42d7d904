//! What a batch changed of its instruments, for those who listen after the commit. No SQL.

use super::insert_report::RowOutcome;
use super::tick_store::{KeyedTick, KnownInstrument};
use crate::domain::tick::Tick;
use crate::repository::data_change::{ChangedSpan, DataChange};

/// The changes of a batch that is stored: its rows come in key order, each with its instrument as it
/// is after the batch. Up to `ticks_max` stored ticks are among them, each of them, or else the
/// newest of each instrument that is not late.
pub(super) fn of_batch(
    rows: &[KeyedTick<'_>],
    outcomes: &[RowOutcome],
    instrument: impl Fn(&KeyedTick<'_>) -> Option<KnownInstrument>,
    ticks_max: usize,
) -> Vec<DataChange> {
    let stored = |row: &KeyedTick<'_>| match outcomes[row.index] {
        RowOutcome::Inserted { sequence } => Some((*row.tick, sequence)),
        _ => None,
    };
    let is_stored =
        |row: &&KeyedTick<'_>| matches!(outcomes[row.index], RowOutcome::Inserted { .. });
    let is_small = rows.iter().filter(is_stored).count() <= ticks_max;
    let mut changes = Vec::new();
    for rows in rows.chunk_by(|a, b| a.key.instrument_id == b.key.instrument_id) {
        let mut of_instrument = rows.iter().filter(is_stored);
        let Some(first) = of_instrument.next() else {
            continue;
        };
        let (last, more) = of_instrument.fold((first, 0), |(_, count), row| (row, count + 1));
        let Some(known) = instrument(first) else {
            continue;
        };
        let ticks: Vec<(Tick, i64)> = if is_small {
            rows.iter().filter_map(stored).collect()
        } else {
            let is_late = known.last_tick.is_some_and(|at| last.key.timestamp < at);
            stored(last).filter(|_| !is_late).into_iter().collect()
        };
        let span = ChangedSpan {
            from: Some(first.key.timestamp),
            to: Some(last.key.timestamp),
            rows: Some(1 + more),
        };
        changes.push(DataChange {
            instrument_id: known.id,
            version: known.ticks_version + 1,
            ticks,
            span: (!is_small).then_some(span),
        });
    }
    changes
}
