//! Series of built bars: building, extending and repairing them, and which of their periods have
//! gone stale.
//!
//! A series says truly what is built: its bars, its bounds and its stale periods change in one
//! transaction, under the lock of the instrument under which ticks and bars are stored, too. Built
//! bars are those of the source `tickbase-bars`, or of another one for each price of quotes. What a bar is made of is `bar_composition`'s: it
//! holds shorter bars that came in, and ticks where there are none.
//!
//! The reasons are in docs/decisions/0015.

mod bars;
#[cfg(feature = "archive")]
mod before_deletion;
mod bounds;
mod build;
mod gone;
mod marks;
mod read;
mod status;
#[cfg(test)]
mod tests;

#[cfg(feature = "archive")]
pub(crate) use before_deletion::{PartsOf, Settled, settled, that_stay};
#[cfg(feature = "archive")]
pub(crate) use bounds::begin_at;
pub(crate) use bounds::{begin_before, forget_gone};
pub use build::{BuildReport, BuildSpan};
#[cfg(feature = "archive")]
pub(crate) use gone::{GoneSpan, MadeOf, is_gone_between, note_gone};
pub(crate) use marks::Marks;
pub use marks::mark_stale;
pub(crate) use read::BuiltSources;
pub use read::{BUILT_SOURCE_NAME, SeriesKey, of_instrument, source_id, stale_between};
pub use status::{SeriesStatus, list};

use crate::database::{BackendConnection, Database};
use crate::error::Result;
use build::Goal;

/// About how many ticks one transaction of a build reads, unless it is told otherwise: some 100 ms,
/// after which ticks that wait are stored. A single period is never divided, however many it has.
pub const TICKS_PER_TRANSACTION_MAX: usize = 250_000;

/// Builds the bars of a span, repairs its stale ones, and keeps the series from then on. One
/// transaction reads about `ticks_max` ticks, usually [`TICKS_PER_TRANSACTION_MAX`].
///
/// A period is made of shorter bars that came in, and of ticks where there are none; bars of quotes
/// are made of ticks alone. Only closed periods are built: those at or past whose end the instrument
/// has a tick or such a bar. A series has no gap: a span that does not touch it is built with what
/// lies between. What is built stays built when a later transaction fails, and the series says so.
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) for an instrument that is unknown or deleted;
/// [`Error::Invalid`](crate::Error::Invalid) for a start after the end, or a price that no bar holds;
/// those of [`Database::write`].
pub fn build(
    db: &Database,
    key: SeriesKey,
    span: BuildSpan,
    ticks_max: usize,
) -> Result<BuildReport> {
    run(db, Goal::build(key, span.checked()?), ticks_max, &|| true)
}

/// Extends a series by the periods that have closed since, and repairs its stale ones; does nothing
/// for a series that does not exist. It ends early, between two transactions, when `goes_on` says
/// so.
///
/// # Errors
/// As [`build()`].
pub fn refresh(
    db: &Database,
    key: SeriesKey,
    ticks_max: usize,
    goes_on: &dyn Fn() -> bool,
) -> Result<BuildReport> {
    run(db, Goal::refresh(key), ticks_max, goes_on)
}

fn run(
    db: &Database,
    mut goal: Goal,
    ticks_max: usize,
    goes_on: &dyn Fn() -> bool,
) -> Result<BuildReport> {
    let op = goal.operation();
    let mut report = BuildReport::new(&goal);
    while goes_on() {
        let now = db.clock().now();
        let step =
            move |conn: &mut BackendConnection<'_>| build::step(conn, &goal, ticks_max.max(1), now);
        let Some(work) = report.add(db.write(op, step)?) else {
            break;
        };
        goal.goes_on_from(work.repaired_to);
    }
    Ok(report)
}
