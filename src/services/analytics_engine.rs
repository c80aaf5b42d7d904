//! The analytics engine: reads the bars that a question is about and answers it by the formulas of
//! [`analytics`](super::analytics).
//!
//! It owns the lifecycle, the counts, and which bars a question takes in. It stores nothing, and
//! computes only after the connection is given back.

mod anomalies;
mod cached;
mod candles;
mod correlation;
mod daily;
mod direction;
mod indicator_lines;
mod indicators;
mod joint;
mod market;
mod quotes;
mod risk;
mod scenarios;
mod series;
mod technicals;
#[cfg(test)]
mod tests;
mod volume;

use std::sync::atomic::{AtomicBool, Ordering};

pub use anomalies::{Anomaly, AnomalyAnswer, AnomalyFeatures, AnomalyQuestion};
pub use cached::KeptQuestion;
pub use correlation::{CorrelationMatrix, CorrelationQuestion};
pub use daily::{
    DailyRisk, DailyRiskQuestion, DailyValueAtRisk, DailyValueAtRiskQuestion, MarketRisk,
};
pub use direction::{TrendAnswer, TrendQuestion};
pub use indicator_lines::{IndicatorLines, IndicatorLinesQuestion, IndicatorValues};
pub use indicators::{Indicator, IndicatorQuestion, IndicatorValue, Indicators};
pub use joint::{JointCorrelation, JointCorrelationQuestion};
pub use market::{CrossAt, MarketAnalysis, MarketQuestion};
pub use risk::{RiskMetrics, RiskQuestion, ValueAtRiskAnswer, ValueAtRiskQuestion};
pub use scenarios::{StressAnswer, StressQuestion};
pub use series::{AnalysisWindow, BarsOfInstrument, Extent, Subject};
pub use technicals::{AVERAGE_BARS, PricePattern, TechnicalQuestion, Technicals};
pub use volume::{VolumeAnswer, VolumeQuestion};

use super::{Service, ServiceRecord, ServiceStatus};
use crate::database::{BackendConnection, Database};
use crate::error::{Error, Result};

const NAME: &str = "analytics_engine";

/// Answers questions about the bars of instruments: indicators, analysis, risk, volume by price,
/// correlation.
///
/// It has no thread of its own: an answer is computed by the caller, or beside the runtime for
/// [`ask_async`](Self::ask_async). While it does not run, every question is refused.
///
/// ```
/// use tickbase::services::analytics_engine::{AnalyticsEngine, IndicatorQuestion, AnalysisWindow};
/// use tickbase::domain::Frequency;
/// use tickbase::services::Service;
/// # fn main() -> tickbase::Result<()> {
/// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
///
/// let engine = AnalyticsEngine::new(db.clone());
/// engine.start()?;
/// let answer = engine.ask(&IndicatorQuestion::all(1, Frequency::OneMinute))?;
/// for found in &answer.values {
///     match found.value {
///         Ok(value) => println!("{}: {value}", found.name),
///         Err(missing) => println!("{}: {missing}", found.name),
///     }
/// }
/// assert_eq!(answer.extent.bars, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AnalyticsEngine {
    db: Database,
    record: ServiceRecord,
    runs: AtomicBool,
}

/// A question for the engine. It comes with the questions of this module; a type of yours is
/// one, too, when it says which bars it needs and what it makes of them.
pub trait AnalyticsQuestion: Clone + Send + 'static {
    /// The type of the answer.
    type Answer: Send + 'static;

    /// The static name of its read, for metrics and spans.
    const OPERATION: &'static str;

    /// Reads the series that it is about; [`BarsOfInstrument::read`] reads one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an instrument that is not there; those of the database.
    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>>;

    /// Computes the answer, without a database. Too little data is part of it, not an error.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what no formula takes.
    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<Self::Answer>;
}

impl AnalyticsEngine {
    /// Makes the service for a database, which it keeps open; it does not start it.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self {
            db,
            record: ServiceRecord::default(),
            runs: AtomicBool::new(false),
        }
    }

    /// Reads what the question needs and answers it.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; those of the question, and of [`Database::read`].
    pub fn ask<Q: AnalyticsQuestion>(&self, question: &Q) -> Result<Q::Answer> {
        self.refuse_unless_running()?;
        let read = self.db.read(Q::OPERATION, |conn| {
            conn.snapshot(|conn| question.read(conn))
        });
        // Outside of the read: computing takes time, and the connection goes back before.
        let answer = read.and_then(|series| question.answer(series));
        self.noted(answer)
    }

    /// [`ask`](Self::ask) by the asynchronous door; the answer is computed beside the runtime.
    ///
    /// # Errors
    /// As [`ask`](Self::ask); [`Error::Panicked`] when a question of the caller's does.
    pub async fn ask_async<Q: AnalyticsQuestion>(&self, question: Q) -> Result<Q::Answer> {
        self.refuse_unless_running()?;
        let reader = question.clone();
        let read = self.db.read_async(Q::OPERATION, move |conn| {
            conn.snapshot(|conn| reader.read(conn))
        });
        let answer = match read.await {
            Ok(series) => computed(question, series).await,
            Err(error) => Err(error),
        };
        self.noted(answer)
    }

    fn refuse_unless_running(&self) -> Result<()> {
        if self.runs.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(Error::NotRunning { service: NAME })
        }
    }

    /// Counts an answer. What the asker got wrong is no failure of the engine.
    fn noted<T>(&self, answer: Result<T>) -> Result<T> {
        let failure = match &answer {
            Ok(_) | Err(Error::NotFound { .. } | Error::Invalid { .. }) => None,
            Err(error) => Some(error.chain()),
        };
        self.record.ran(self.db.clock().now(), failure);
        answer
    }
}

async fn computed<Q: AnalyticsQuestion>(
    question: Q,
    series: Vec<BarsOfInstrument>,
) -> Result<Q::Answer> {
    // Formulas over 10,000 bars take milliseconds, which a thread of the runtime does not have.
    let work = tokio::task::spawn_blocking(move || question.answer(series));
    work.await.unwrap_or_else(|error| {
        Err(Error::Panicked {
            op: Q::OPERATION,
            message: error.to_string(),
        })
    })
}

impl Service for AnalyticsEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(&self) -> Result<()> {
        if self.runs.swap(true, Ordering::AcqRel) {
            return Err(Error::Service {
                service: NAME,
                reason: "it runs already".to_owned(),
                remedy: "stop it first".to_owned(),
            });
        }
        self.record.started(self.db.clock().now());
        Ok(())
    }

    /// New questions are refused; those under way are answered.
    fn stop(&self) {
        if self.runs.swap(false, Ordering::AcqRel) {
            self.record.stopped();
        }
    }

    fn status(&self) -> ServiceStatus {
        self.record.status()
    }
}
