//! Correlations of instruments on the days that all of them have, as one matrix with its
//! eigenvalues.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Subject};
use crate::database::BackendConnection;
use crate::domain::{Candle, Frequency};
use crate::error::Result;
use crate::services::analytics::{
    Measured, Missing, condition_number, correlations, eigenvalues, in_common,
};

/// Returns that an instrument, and all of them together, must have to be taken in.
const RETURNS_MIN: usize = 30;

/// The correlations of instruments on the days that all of them have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JointCorrelationQuestion {
    /// The instruments, in the order of rows and columns.
    pub instrument_ids: Vec<i64>,
    /// Days with a bar that it looks back on, of each of them.
    pub days: u16,
}

/// A matrix of correlations.
#[derive(Debug, Clone, PartialEq)]
pub struct JointCorrelation {
    /// The instruments, in the order of rows and columns; those with too few days are left out.
    pub subjects: Vec<Subject>,
    /// Rows of columns.
    pub rows: Measured<Vec<Vec<f64>>>,
    /// The eigenvalues of the matrix, the largest first.
    pub eigenvalues: Measured<Vec<f64>>,
    /// Its condition number; see [`condition_number`].
    pub condition_number: Measured<f64>,
    /// Returns that all of them have.
    pub returns: usize,
}

impl AnalyticsQuestion for JointCorrelationQuestion {
    type Answer = JointCorrelation;

    const OPERATION: &'static str = "analytics.joint_correlation";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let window = AnalysisWindow::newest(Frequency::OneDay, self.days);
        let ids = self.instrument_ids.iter();
        ids.map(|id| BarsOfInstrument::read(conn, *id, window))
            .collect()
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<JointCorrelation> {
        let long = |of: &BarsOfInstrument| of.window().len() > RETURNS_MIN + 1;
        let series: Vec<BarsOfInstrument> = series.into_iter().filter(long).collect();
        let windows: Vec<&[Candle]> = series.iter().map(BarsOfInstrument::window).collect();
        let common = in_common(&windows);
        let returns = common.first().map_or(0, Vec::len).saturating_sub(1);
        let rows = matrix(&common, returns);
        let eigenvalues = rows.as_ref().map_err(|missing| *missing);
        let eigenvalues = eigenvalues.and_then(|rows| self::eigenvalues(rows));
        let values = eigenvalues.as_ref().map_err(|missing| *missing);
        Ok(JointCorrelation {
            condition_number: values.and_then(|values| condition_number(values)),
            rows,
            eigenvalues,
            returns,
            subjects: series.into_iter().map(|of| of.subject).collect(),
        })
    }
}

fn matrix(series: &[Vec<Candle>], returns: usize) -> Measured<Vec<Vec<f64>>> {
    if series.len() < 2 || returns < RETURNS_MIN {
        return Err(Missing::NotEnough {
            needed: RETURNS_MIN,
            given: if series.len() < 2 { 0 } else { returns },
        });
    }
    let series: Vec<&[Candle]> = series.iter().map(Vec::as_slice).collect();
    let rows = correlations(&series).rows.into_iter();
    rows.map(|row| row.into_iter().map(|cell| cell.coefficient).collect())
        .collect()
}
