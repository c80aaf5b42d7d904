//! `instruments`: what there is of each instrument, so that a first question finds its symbol.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::deletions::{DeletionArguments, told};
use crate::named::instrument_on;
use crate::output::{grouped, table};
use crate::{CommandResult, Context};
use tickbase::domain::{Frequency, InstrumentType, Symbol};
use tickbase::error::Result;
use tickbase::models::{Deletion, Instrument};
use tickbase::repository::bar::{self, InstrumentBarCount};
use tickbase::repository::deletion;
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::repository::storage::{self, TickCoverage};
use tickbase::timestamp::Timestamp;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct InstrumentsArguments {
    #[command(subcommand)]
    action: Option<InstrumentsAction>,
    /// Only those of this type
    #[arg(long, value_name = "TYPE")]
    r#type: Option<InstrumentType>,
    /// Only those that have ticks or bars
    #[arg(long)]
    with_data: bool,
}

#[derive(Debug, Subcommand)]
enum InstrumentsAction {
    /// Move instruments to the trash
    Delete(DeleteArguments),
}

#[derive(Debug, Args)]
struct DeleteArguments {
    /// The symbols
    #[arg(value_name = "SYMBOL", required = true)]
    symbols: Vec<String>,
    /// Delete their rules, alerts, bars and ticks, too, as one batch; without it they stay, and an
    /// active rule is in the way
    #[arg(long)]
    cascade: bool,
    #[command(flatten)]
    deletion: DeletionArguments,
}

#[derive(Serialize)]
struct DeletedInstruments {
    deleted: usize,
    deletion_id: Option<i64>,
}

fn delete(context: &Context, arguments: &DeleteArguments) -> CommandResult {
    let symbols = arguments.symbols.iter().map(|text| Symbol::new(text));
    let symbols: Vec<Symbol> = symbols.collect::<Result<_>>()?;
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    let with_all = if arguments.cascade { " --cascade" } else { "" };
    let request = format!("tickbase instruments delete {}{with_all}", names.join(" "));
    let new = arguments.deletion.of(request);
    let database = context.open(DatabaseNeed::Existing)?;
    let ids = database.read("instrument.by_symbol", |conn| {
        let ids = symbols
            .iter()
            .map(|symbol| Ok(instrument_on(conn, symbol)?.id));
        ids.collect::<Result<Vec<i64>>>()
    })?;
    let deletion = if arguments.cascade {
        Some(deletion::delete_instruments(&database, &ids, &new)?)
    } else {
        let now = database.clock().now();
        database.write("instrument.soft_delete", move |conn| {
            let (_, deletion) = deletion::batch(conn, &new, now, |conn, batch| {
                instrument::soft_delete(conn, &ids, batch)
            })?;
            Ok(deletion)
        })?
    };
    database.close();
    let result = DeletedInstruments {
        deleted: deletion.as_ref().map_or(0, |of| of.counts().instruments),
        deletion_id: deletion.as_ref().map(Deletion::id),
    };
    context.output.result(&result, |_| {
        deletion
            .as_ref()
            .map_or_else(|| "nothing was left to delete".to_owned(), told)
    })
}

#[derive(Serialize)]
struct InstrumentContents {
    id: i64,
    symbol: String,
    name: String,
    r#type: InstrumentType,
    ticks: i64,
    /// Shortest frequency first.
    bars: Vec<BarContents>,
    /// The first moment of which there is something, and the last.
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

#[derive(Serialize)]
struct BarContents {
    frequency: Frequency,
    bars: i64,
}

pub(super) fn run(context: &Context, arguments: &InstrumentsArguments) -> CommandResult {
    if let Some(InstrumentsAction::Delete(arguments)) = &arguments.action {
        return delete(context, arguments);
    }
    let database = context.open(DatabaseNeed::Existing)?;
    let filter = InstrumentFilter {
        instrument_type: arguments.r#type,
        ..InstrumentFilter::default()
    };
    // Of one moment: beside an import, counts of several would not belong together.
    let mut found = database.read("instrument.contents", |conn| {
        conn.snapshot(|conn| {
            let instruments = instrument::list(conn, filter)?;
            let ticks = storage::coverage(conn)?;
            Ok(contents(
                &instruments,
                &ticks,
                bar::instrument_counts(conn)?,
            ))
        })
    })?;
    found.retain(|of| !arguments.with_data || of.from.is_some());
    context.output.result(&found, |found| for_people(found))
}

fn contents(
    instruments: &[Instrument],
    ticks: &[TickCoverage],
    bars: Vec<InstrumentBarCount>,
) -> Vec<InstrumentContents> {
    let ticks: HashMap<&str, &TickCoverage> =
        ticks.iter().map(|of| (of.symbol.as_str(), of)).collect();
    let mut bars_of: HashMap<i64, Vec<InstrumentBarCount>> = HashMap::new();
    for of in bars {
        bars_of.entry(of.instrument_id).or_default().push(of);
    }
    let contents = instruments.iter().map(|row| {
        let ticks = ticks.get(row.symbol.as_str());
        let mut bars = bars_of.remove(&row.id).unwrap_or_default();
        bars.sort_by_key(|of| of.frequency);
        let first = bars.iter().filter_map(|of| of.first);
        let last = bars.iter().filter_map(|of| of.last);
        InstrumentContents {
            id: row.id,
            symbol: row.symbol.to_string(),
            name: row.name.clone(),
            r#type: row.instrument_type,
            ticks: ticks.map_or(0, |of| of.ticks),
            from: first.chain(ticks.map(|of| of.first)).min(),
            to: last.chain(ticks.map(|of| of.last)).max(),
            bars: bars
                .iter()
                .map(|of| BarContents {
                    frequency: of.frequency,
                    bars: of.bars,
                })
                .collect(),
        }
    });
    contents.collect()
}

fn for_people(found: &[InstrumentContents]) -> String {
    if found.is_empty() {
        return "no instruments; `tickbase import FILE --create TYPE` adds those of a file\n"
            .to_owned();
    }
    let heads = ["symbol", "type", "ticks", "bars", "from", "to"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    rows.extend(found.iter().map(|of| {
        let bars = of.bars.iter();
        let bars = bars.map(|of| format!("{} {}", of.frequency, grouped(of.bars)));
        let bars: Vec<String> = bars.collect();
        vec![
            of.symbol.clone(),
            of.r#type.to_string(),
            grouped(of.ticks),
            if bars.is_empty() {
                "-".to_owned()
            } else {
                bars.join(", ")
            },
            moment(of.from),
            moment(of.to),
        ]
    }));
    table(&rows)
}
