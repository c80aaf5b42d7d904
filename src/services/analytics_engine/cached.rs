//! Answers of the engine from memory: which instruments they stand on, and how large they are. It
//! keeps nothing itself, and knows no versions: that is the cache's.

use std::fmt::Debug;

use super::anomalies::{Anomaly, AnomalyAnswer, AnomalyQuestion};
use super::correlation::{CorrelationMatrix, CorrelationQuestion};
use super::daily::{DailyRisk, DailyRiskQuestion, DailyValueAtRisk, DailyValueAtRiskQuestion};
use super::direction::{TrendAnswer, TrendQuestion};
use super::indicator_lines::{IndicatorLines, IndicatorLinesQuestion, IndicatorValues};
use super::indicators::{IndicatorQuestion, IndicatorValue, Indicators};
use super::joint::{JointCorrelation, JointCorrelationQuestion};
use super::market::{MarketAnalysis, MarketQuestion};
use super::risk::{RiskMetrics, RiskQuestion, ValueAtRiskAnswer, ValueAtRiskQuestion};
use super::scenarios::{StressAnswer, StressQuestion};
use super::series::{Extent, Subject};
use super::technicals::{PricePattern, TechnicalQuestion, Technicals};
use super::volume::{VolumeAnswer, VolumeQuestion};
use super::{AnalyticsEngine, AnalyticsQuestion};
use crate::error::Result;
use crate::services::analytics::{
    Bucket, Correlation, Levels, Measured, PriceLevel, StressedPrice,
};
use crate::services::cache::{Cache, CacheSize, Cached};

/// A question whose answer may be kept: it depends on nothing but the instruments that it names,
/// their ticks and their bars. Equal questions print equally with `{:?}`, and different ones
/// differently.
pub trait KeptQuestion: AnalyticsQuestion<Answer: CacheSize + Clone + Sync> + Debug {
    /// All instruments that the answer stands on.
    fn instrument_ids(&self) -> Vec<i64>;
}

impl AnalyticsEngine {
    /// [`ask_async`](Self::ask_async), by a cache of the same database: what was answered is
    /// answered again until one of its instruments, their ticks or their bars change. What comes
    /// from memory is not counted as a run.
    ///
    /// # Errors
    /// As [`ask_async`](Self::ask_async).
    pub async fn ask_cached<Q: KeptQuestion>(
        &self,
        cache: &Cache,
        question: Q,
    ) -> Result<Cached<Q::Answer>> {
        self.refuse_unless_running()?;
        let (ids, text) = (question.instrument_ids(), format!("{question:?}"));
        cache
            .analytics(&ids, text, || self.ask_async(question))
            .await
    }
}

/// Questions about one instrument.
macro_rules! about_one {
    ($($question:ty),+) => {$(
        impl KeptQuestion for $question {
            fn instrument_ids(&self) -> Vec<i64> {
                vec![self.instrument_id]
            }
        }
    )+};
}

about_one!(
    AnomalyQuestion,
    DailyValueAtRiskQuestion,
    IndicatorLinesQuestion,
    IndicatorQuestion,
    MarketQuestion,
    StressQuestion,
    TechnicalQuestion,
    TrendQuestion,
    ValueAtRiskQuestion,
    VolumeQuestion
);

impl KeptQuestion for RiskQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        let ids = [Some(self.instrument_id), self.benchmark_id];
        ids.into_iter().flatten().collect()
    }
}

impl KeptQuestion for DailyRiskQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        let ids = [Some(self.instrument_id), self.benchmark_id];
        ids.into_iter().flatten().collect()
    }
}

impl KeptQuestion for JointCorrelationQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        self.instrument_ids.clone()
    }
}

impl KeptQuestion for CorrelationQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        self.instruments().to_vec()
    }
}

/// Types without anything on the heap.
macro_rules! flat {
    ($($of:ty),+) => {$(
        impl CacheSize for $of {
            fn heap_bytes(&self) -> usize {
                0
            }
        }
    )+};
}

flat!(
    Anomaly,
    Bucket,
    Correlation,
    f64,
    IndicatorValue,
    Measured<StressedPrice>,
    PriceLevel,
    PricePattern
);

impl CacheSize for Subject {
    fn heap_bytes(&self) -> usize {
        self.symbol.heap_bytes()
    }
}

impl CacheSize for Indicators {
    fn heap_bytes(&self) -> usize {
        self.subject.heap_bytes() + self.values.heap_bytes()
    }
}

impl CacheSize for IndicatorLines {
    fn heap_bytes(&self) -> usize {
        let stamps = self.timestamps.capacity() * size_of::<crate::timestamp::Timestamp>();
        self.subject.heap_bytes() + stamps + self.lines.heap_bytes()
    }
}

impl CacheSize for IndicatorValues {
    fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Option<f64>>()
    }
}

impl CacheSize for MarketAnalysis {
    fn heap_bytes(&self) -> usize {
        self.subject.heap_bytes() + self.levels.as_ref().map_or(0, Levels::heap_bytes)
    }
}

impl CacheSize for Levels {
    fn heap_bytes(&self) -> usize {
        self.support.heap_bytes() + self.resistance.heap_bytes()
    }
}

impl CacheSize for Technicals {
    fn heap_bytes(&self) -> usize {
        let levels = self.levels.as_ref().map_or(0, Levels::heap_bytes);
        self.subject.heap_bytes() + levels + self.patterns.heap_bytes()
    }
}

impl CacheSize for AnomalyAnswer {
    fn heap_bytes(&self) -> usize {
        self.subject.heap_bytes() + self.found.heap_bytes()
    }
}

impl CacheSize for TrendAnswer {
    fn heap_bytes(&self) -> usize {
        self.subject.heap_bytes()
    }
}

impl CacheSize for StressAnswer {
    fn heap_bytes(&self) -> usize {
        self.subject.heap_bytes() + self.outcomes.heap_bytes()
    }
}

impl CacheSize for DailyRisk {
    fn heap_bytes(&self) -> usize {
        self.metrics.heap_bytes()
    }
}

impl CacheSize for DailyValueAtRisk {
    fn heap_bytes(&self) -> usize {
        self.answer.heap_bytes()
    }
}

impl CacheSize for JointCorrelation {
    fn heap_bytes(&self) -> usize {
        let symbols: usize = self.subjects.iter().map(CacheSize::heap_bytes).sum();
        let subjects = self.subjects.capacity() * size_of::<Subject>();
        let rows = self.rows.as_ref().map_or(0, CacheSize::heap_bytes);
        symbols + subjects + rows + self.eigenvalues.as_ref().map_or(0, CacheSize::heap_bytes)
    }
}

impl CacheSize for RiskMetrics {
    fn heap_bytes(&self) -> usize {
        let benchmark = self.beta.as_ref();
        self.subject.heap_bytes() + benchmark.map_or(0, |(of, _)| of.heap_bytes())
    }
}

impl CacheSize for ValueAtRiskAnswer {
    fn heap_bytes(&self) -> usize {
        self.subject.heap_bytes()
    }
}

impl CacheSize for VolumeAnswer {
    fn heap_bytes(&self) -> usize {
        let profile = self.profile.as_ref();
        self.subject.heap_bytes() + profile.map_or(0, |of| of.buckets.heap_bytes())
    }
}

impl CacheSize for CorrelationMatrix {
    fn heap_bytes(&self) -> usize {
        let symbols: usize = self.subjects.iter().map(|(of, _)| of.heap_bytes()).sum();
        let subjects = self.subjects.capacity() * size_of::<(Subject, Extent)>();
        symbols + subjects + self.correlations.rows.heap_bytes()
    }
}
