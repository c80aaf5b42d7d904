//! `instruments`: what there is of each instrument, so that a first question finds its symbol.

use std::collections::HashMap;

use clap::Args;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::output::{grouped, table};
use crate::{CommandResult, Context};
use tickbase::domain::{Frequency, InstrumentType};
use tickbase::models::Instrument;
use tickbase::repository::bar::{self, InstrumentBarCount};
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::repository::storage::{self, TickCoverage};
use tickbase::timestamp::Timestamp;

#[derive(Debug, Args)]
pub(super) struct InstrumentsArguments {
    /// Only those of this type
    #[arg(long, value_name = "TYPE")]
    r#type: Option<InstrumentType>,
    /// Only those that have ticks or bars
    #[arg(long)]
    with_data: bool,
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
