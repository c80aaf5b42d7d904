//! At which prices an instrument was traded. The formula is
//! [`volume_profile`](crate::services::analytics::volume_profile)'s.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Extent, Subject, only};
use crate::database::BackendConnection;
use crate::error::Result;
use crate::services::analytics::{Buckets, Measured, VolumeProfile, volume_profile};

/// The volume of an instrument by price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The bars.
    pub window: AnalysisWindow,
    /// Rows of the profile.
    pub buckets: Buckets,
}

/// The volume of an instrument by price.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeAnswer {
    /// The instrument.
    pub subject: Subject,
    /// The bars of the window.
    pub extent: Extent,
    /// The profile.
    pub profile: Measured<VolumeProfile>,
}

impl AnalyticsQuestion for VolumeQuestion {
    type Answer = VolumeAnswer;

    const OPERATION: &'static str = "analytics.volume_profile";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        Ok(vec![BarsOfInstrument::read(
            conn,
            self.instrument_id,
            self.window,
        )?])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<VolumeAnswer> {
        let series = only(series)?;
        Ok(VolumeAnswer {
            extent: series.extent(),
            profile: volume_profile(series.window(), self.buckets),
            subject: series.subject,
        })
    }
}
