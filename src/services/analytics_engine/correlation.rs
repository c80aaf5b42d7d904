//! Correlations of instruments. The formula is
//! [`correlations`](crate::services::analytics::correlations)'s.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Extent, Subject};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::{Error, Result};
use crate::services::analytics::{Correlations, correlations};

/// The correlations of instruments with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationQuestion {
    /// The instruments, in the order of rows and columns.
    instrument_ids: Vec<i64>,
    window: AnalysisWindow,
}

impl CorrelationQuestion {
    /// The most instruments of one question.
    pub const INSTRUMENTS_MAX: usize = 20;

    /// Asks about these instruments.
    ///
    /// # Errors
    /// [`Error::Invalid`] for less than two, more than [`Self::INSTRUMENTS_MAX`], or the same twice.
    pub fn new(instrument_ids: Vec<i64>, window: AnalysisWindow) -> Result<Self> {
        let refused =
            |reason: String, remedy: &str| Err(Error::invalid("instrument_ids", reason, remedy));
        let count = instrument_ids.len();
        if !(2..=Self::INSTRUMENTS_MAX).contains(&count) {
            let remedy = format!("name 2 to {}", Self::INSTRUMENTS_MAX);
            return refused(format!("they are {count}"), &remedy);
        }
        let twice = (1..count).find(|at| instrument_ids[..*at].contains(&instrument_ids[*at]));
        if let Some(at) = twice {
            let reason = format!("{} is there twice", instrument_ids[at]);
            return refused(reason, "name each one once");
        }
        Ok(Self {
            instrument_ids,
            window,
        })
    }

    /// The instruments, in the order of rows and columns.
    #[must_use]
    pub fn instruments(&self) -> &[i64] {
        &self.instrument_ids
    }
}

/// The correlations of instruments with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelationMatrix {
    /// The length of the bars' periods.
    pub frequency: Frequency,
    /// The instruments and their bars, in the order of rows and columns.
    pub subjects: Vec<(Subject, Extent)>,
    /// Rows of columns.
    pub correlations: Correlations,
}

impl AnalyticsQuestion for CorrelationQuestion {
    type Answer = CorrelationMatrix;

    const OPERATION: &'static str = "analytics.correlation_matrix";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let ids = self.instrument_ids.iter();
        ids.map(|id| BarsOfInstrument::read(conn, *id, self.window))
            .collect()
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<CorrelationMatrix> {
        let windows: Vec<_> = series.iter().map(BarsOfInstrument::window).collect();
        let correlations = correlations(&windows);
        let subjects = series.into_iter().map(|series| {
            let extent = series.extent();
            (series.subject, extent)
        });
        Ok(CorrelationMatrix {
            frequency: self.window.frequency(),
            subjects: subjects.collect(),
            correlations,
        })
    }
}
