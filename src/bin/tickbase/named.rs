//! What arguments name: who does something, an instrument by its symbol, a moment or a span of time by its text; and what to name when
//! there are no bars.

use clap::Args;

use crate::CommandFailure;
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::Symbol;
use tickbase::error::{Error, Result};
use tickbase::models::{DataSource, Instrument};
use tickbase::repository::data_source;
use tickbase::repository::instrument::{self, InstrumentFilter};
use tickbase::services::historical_data::{self, BarQuery};
use tickbase::timestamp::{Timestamp, parse_span};

/// Who does something.
#[derive(Debug, Clone, Args)]
pub(super) struct ByArgument {
    /// Who does it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    by: Option<String>,
}

impl ByArgument {
    /// The name, if one is given.
    pub(super) fn given(&self) -> Option<String> {
        self.by.clone().filter(|name| !name.trim().is_empty())
    }

    /// The name, which must be given.
    pub(super) fn name(&self) -> Result<String, CommandFailure> {
        let missing = || CommandFailure::Usage("say who does it: --by NAME".to_owned());
        self.given().ok_or_else(missing)
    }
}

/// The active instrument with this symbol.
pub(super) fn instrument(database: &Database, symbol: &Symbol) -> Result<Instrument> {
    database.read("instrument.by_symbol", |conn| instrument_on(conn, symbol))
}

/// [`instrument`] on a connection.
pub(super) fn instrument_on(
    conn: &mut BackendConnection<'_>,
    symbol: &Symbol,
) -> Result<Instrument> {
    if let Some(found) = instrument::by_symbol(conn, symbol)? {
        return Ok(found);
    }
    let all = instrument::list(conn, InstrumentFilter::default())?;
    let symbols = all.iter().map(|row| row.symbol.as_str());
    let remedy = match nearest(symbol.as_str(), symbols) {
        Some(near) => format!("did you mean {near}? `tickbase instruments` lists all"),
        None => "check the symbol; `tickbase instruments` lists all".to_owned(),
    };
    Err(unknown(symbol, &remedy))
}

/// The name that is most like this one, if any is: by the measure that the command line itself
/// uses for its options.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const SIMILARITY_MIN: f64 = 0.75;
    let measured = names.map(|one| (one, strsim::jaro_winkler(name, one)));
    let best = measured.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (best.1 >= SIMILARITY_MIN).then_some(best.0)
}

/// No active instrument has this symbol.
pub(super) fn unknown(symbol: &Symbol, remedy: &str) -> Error {
    Error::not_found(format!("instrument {symbol}"), remedy)
}

/// The data source with this name.
pub(super) fn source(database: &Database, name: &str) -> Result<DataSource> {
    let found = database.read("data_source.by_name", |conn| {
        data_source::by_name(conn, name)
    })?;
    let remedy = "check the name; `tickbase import --source NAME --create-source` adds one";
    found.ok_or_else(|| Error::not_found(format!("data source {name:?}"), remedy))
}

/// What there is when a query has no bars, and the option that shows it.
pub(super) fn alternative(conn: &mut BackendConnection<'_>, query: &BarQuery) -> Result<String> {
    let found = historical_data::alternative(conn, query)?;
    Ok(found.text(|name, value| format!("--{name} {value}")))
}

/// Reads a moment of the command line: `2013-09-01`, `2013-09-01T17:00:00Z`, ..
pub(super) fn moment(text: &str) -> Result<Timestamp, Error> {
    Timestamp::parse(text.as_bytes()).map(|(moment, _)| moment)
}

/// A span of time, in microseconds.
pub(super) fn span(text: &str) -> Result<i64> {
    let micros = parse_span(text)?.as_micros();
    i64::try_from(micros).map_err(|_| {
        Error::invalid(
            "span of time",
            format!("{text:?} is too long"),
            "give a shorter one",
        )
    })
}
