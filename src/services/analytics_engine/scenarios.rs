//! What becomes of an instrument's price in scenarios. The formulas are those of
//! [`stressed`](crate::services::analytics::stressed).

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Subject, only};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::services::analytics::{
    Measured, Missing, PriceColumns, Shock, StressedPrice, returns, stressed,
};

/// The price of an instrument in scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct StressQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// Days with a bar that its volatility is taken from.
    pub days: u16,
    /// What each scenario does.
    pub shocks: Vec<Shock>,
}

/// The price of an instrument in scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct StressAnswer {
    /// The instrument.
    pub subject: Subject,
    /// Close of the newest day; it is the newest price.
    pub price: Measured<f64>,
    /// The prices after the shocks, in their order.
    pub outcomes: Vec<Measured<StressedPrice>>,
}

impl AnalyticsQuestion for StressQuestion {
    type Answer = StressAnswer;

    const OPERATION: &'static str = "analytics.stress";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let window = AnalysisWindow::newest(Frequency::OneDay, self.days);
        let series = BarsOfInstrument::read(conn, self.instrument_id, window)?;
        Ok(vec![series])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<StressAnswer> {
        let series = only(series)?;
        let closes = PriceColumns::of(series.window()).close;
        let logarithmic = returns::logarithmic(&closes);
        let deviation = logarithmic.and_then(|returns| returns::deviation(&returns));
        let price = closes.last().copied().ok_or(Missing::NotEnough {
            needed: 1,
            given: 0,
        });
        let after = |shock: &Shock| stressed(price?, *shock, deviation);
        Ok(StressAnswer {
            price,
            outcomes: self.shocks.iter().map(after).collect(),
            subject: series.subject,
        })
    }
}
