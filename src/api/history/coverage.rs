//! `/api/historical-data/coverage`: how complete and how plausible bars are.

use axum::extract::State;

use super::{SYMBOLS_MAX, moment, range};
use crate::api::error::{ApiError, ReadErrors};
use crate::api::extract::Query;
use crate::api::state::ApiState;
use crate::api::types::{CoverageBody, CoverageItem, CoverageQuery};
use crate::domain::{Frequency, Symbol};
use crate::error::Error;
use crate::repository::instrument;
use crate::services::coverage::{SurveyOptions, TradingCalendar, coverage as survey};

/// Gaps and outliers that one answer lists for a symbol.
const LISTED_MAX: usize = 1_000;
/// Missing periods that it lists one by one.
const PERIODS_LISTED_MAX: usize = 10_000;

/// The coverage of bars: gaps, completeness, duplicates, outliers
///
/// Bars that are stored and bars that ticks make count alike. Which periods should have one, the
/// instrument's calendar says: an exchange's has its holidays and hours.
#[utoipa::path(
    get,
    path = "/api/historical-data/coverage",
    tag = "historical data",
    params(CoverageQuery),
    responses((status = 200, body = CoverageBody), ReadErrors)
)]
pub(super) async fn coverage(
    State(state): State<ApiState>,
    Query(query): Query<CoverageQuery>,
) -> Result<axum::Json<CoverageBody>, ApiError> {
    let options = options(&query)?;
    let mut data = Vec::with_capacity(query.symbols.len());
    for symbol in &query.symbols {
        data.push(of_symbol(&state, symbol, options, query.calendar).await?);
    }
    Ok(axum::Json(CoverageBody {
        timestamp: state.db().clock().now().to_string(),
        data,
    }))
}

/// Options of the survey; the calendar comes later, from the instrument.
fn options(query: &CoverageQuery) -> Result<SurveyOptions, ApiError> {
    let symbols = query.symbols.len();
    if !(1..=SYMBOLS_MAX).contains(&symbols) {
        let msg = format!("it names {symbols} symbols; name 1 to {SYMBOLS_MAX}");
        return Err(ApiError::violation(["query", "symbols"], msg));
    }
    let listed_max = query.limit.unwrap_or(SurveyOptions::LISTED_MAX);
    if listed_max > LISTED_MAX {
        let msg = format!("{listed_max} is not in 0..={LISTED_MAX}");
        return Err(ApiError::violation(["query", "limit"], msg));
    }
    let start = moment("query", "start_date", query.start_date.as_deref())?;
    let end = moment("query", "end_date", query.end_date.as_deref())?;
    let (start, end) = range("query", start, end)?;
    if start.is_some() && start == end {
        let msg = "it is end_date, too; give a start before the end";
        return Err(ApiError::violation(["query", "start_date"], msg));
    }
    let frequency = query.frequency.unwrap_or(Frequency::OneDay);
    let options = SurveyOptions {
        start,
        end,
        outlier_score: query.outlier_score.unwrap_or(SurveyOptions::OUTLIER_SCORE),
        listed_max,
        periods_listed_max: if query.with_missing {
            PERIODS_LISTED_MAX
        } else {
            0
        },
        ..SurveyOptions::new(frequency, TradingCalendar::EveryDay)
    };
    let checked = options.check();
    checked.map_err(|error| ApiError::within("query", error))?;
    Ok(options)
}

async fn of_symbol(
    state: &ApiState,
    text: &str,
    options: SurveyOptions,
    calendar: Option<TradingCalendar>,
) -> Result<CoverageItem, ApiError> {
    let refused = |why: String| CoverageItem::refused(text, options.frequency, why);
    let symbol = match Symbol::new(text) {
        Ok(symbol) => symbol,
        Err(error) => return Ok(refused(error.to_string())),
    };
    let unknown = format!("no active instrument is named {symbol}");
    let read = state.read("coverage.survey", move |conn| {
        let Some(instrument) = instrument::by_symbol(conn, &symbol)? else {
            return Ok(None);
        };
        let options = SurveyOptions {
            calendar: calendar.unwrap_or(instrument.trading_calendar()),
            ..options
        };
        let found = survey(conn, instrument.id, &options)?;
        Ok(Some((options, instrument.price_decimals, found)))
    });
    Ok(match read.await {
        Ok(Some((options, places, found))) => CoverageItem::new(text, &options, places, &found),
        Ok(None) => refused(unknown),
        // A price that no bar holds is this symbol's own trouble.
        Err(error @ Error::Invalid { .. }) => refused(error.to_string()),
        Err(error) => return Err(error.into()),
    })
}
