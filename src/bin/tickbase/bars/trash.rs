//! `bars delete` and `bars restore`: bars that came in, by range, to the trash and back.

use std::fmt;

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::deletions::{DeletionArguments, undo_hint};
use crate::named::{instrument_on, moment};
use crate::output::grouped;
use crate::{CommandResult, Context};
use tickbase::database::BackendConnection;
use tickbase::domain::{Frequency, Symbol};
use tickbase::error::{Error, Result};
use tickbase::models::Deletion;
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::{data_source, deletion};
use tickbase::timestamp::Timestamp;

#[derive(Debug, Clone, Args)]
pub(crate) struct RangeArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// 1min, 5min, 15min, 30min, 1h, 4h, 1d, 1w or 1M
    #[arg(long)]
    frequency: Frequency,
    /// The data source of the bars, by its name [default: all but that of built bars]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The first moment at which a bar may start [default: the first bar]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which a bar starts [default: after the last bar]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
}

impl RangeArguments {
    /// The ranges of bars that came in.
    fn ranges(&self, conn: &mut BackendConnection<'_>, symbol: &Symbol) -> Result<Vec<BarRange>> {
        let instrument = instrument_on(conn, symbol)?;
        let source = match &self.source {
            None => None,
            Some(name) => {
                let found = data_source::by_name(conn, name)?;
                let unknown =
                    || Error::not_found(format!("data source {name:?}"), "check the name");
                Some(found.ok_or_else(unknown)?.id)
            }
        };
        let range = BarRange {
            data_source_id: source,
            start: self.start,
            end: self.end,
            ..BarRange::all(instrument.id, self.frequency)
        };
        bar::imported_ranges(conn, &range)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DeleteBarsArguments {
    #[command(flatten)]
    range: RangeArguments,
    #[command(flatten)]
    deletion: DeletionArguments,
}

impl fmt::Display for RangeArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--symbol {} --frequency {}", self.symbol, self.frequency)?;
        let source = self.source.as_ref();
        source.map_or(Ok(()), |name| write!(f, " --source {name}"))?;
        self.start.map_or(Ok(()), |at| write!(f, " --start {at}"))?;
        self.end.map_or(Ok(()), |at| write!(f, " --end {at}"))
    }
}

#[derive(Serialize)]
struct DeletedBarCount {
    deleted: usize,
    deletion_id: Option<i64>,
}

pub(super) fn delete(context: &Context, arguments: &DeleteBarsArguments) -> CommandResult {
    let symbol = Symbol::new(&arguments.range.symbol)?;
    let database = context.open(DatabaseNeed::Existing)?;
    let (range, now) = (arguments.range.clone(), database.clock().now());
    let request = format!("tickbase bars delete {range}");
    let new = arguments.deletion.of(request);
    let (deleted, deletion) = database.write("bar.soft_delete_range", move |conn| {
        let ranges = range.ranges(conn, &symbol)?;
        deletion::batch(conn, &new, now, |conn, batch| {
            let mut deleted = 0;
            for range in ranges {
                deleted += bar::soft_delete_range(conn, &range, batch)?;
            }
            Ok(deleted)
        })
    })?;
    database.close();
    let result = DeletedBarCount {
        deleted,
        deletion_id: deletion.as_ref().map(Deletion::id),
    };
    context.output.result(&result, |of| {
        let undo = deletion.as_ref().map_or_else(String::new, undo_hint);
        format!("{} bars deleted{undo}", grouped(of.deleted))
    })
}

#[derive(Serialize)]
struct Restored {
    restored: usize,
    conflicts: usize,
}

pub(super) fn restore(context: &Context, arguments: &RangeArguments) -> CommandResult {
    let symbol = Symbol::new(&arguments.symbol)?;
    let database = context.open(DatabaseNeed::Existing)?;
    let arguments = arguments.clone();
    let restored = database.write("bar.restore_range", move |conn| {
        let (mut restored, mut conflicts) = (0, 0);
        for range in arguments.ranges(conn, &symbol)? {
            let report = bar::restore_range(conn, &range)?;
            restored += report.restored;
            conflicts += report.conflicts;
        }
        conn.record_rows(restored);
        Ok(Restored {
            restored,
            conflicts,
        })
    })?;
    database.close();
    context.output.result(&restored, |of| {
        let mut text = format!("{} bars restored", grouped(of.restored));
        if of.conflicts > 0 {
            text.push_str(&format!(
                "\n{} stay deleted: their periods have an active bar; delete that one first to \
                 restore the other",
                grouped(of.conflicts)
            ));
        }
        text
    })
}
