//! Answers of the engine from memory: which instruments they stand on, and how large they are. It
//! keeps nothing itself, and knows no versions: that is the cache's.

use std::fmt::Debug;

use super::correlation::{CorrelationMatrix, CorrelationQuestion};
use super::indicators::{IndicatorQuestion, IndicatorValue, Indicators};
use super::market::{MarketAnalysis, MarketQuestion};
use super::risk::{RiskMetrics, RiskQuestion, ValueAtRiskAnswer, ValueAtRiskQuestion};
use super::series::{Extent, Subject};
use super::volume::{VolumeAnswer, VolumeQuestion};
use super::{AnalyticsEngine, AnalyticsQuestion};
use crate::error::Result;
use crate::services::analytics::{Bucket, Correlation, PriceLevel};
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

impl KeptQuestion for IndicatorQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        vec![self.instrument_id]
    }
}

impl KeptQuestion for MarketQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        vec![self.instrument_id]
    }
}

impl KeptQuestion for RiskQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        let ids = [Some(self.instrument_id), self.benchmark_id];
        ids.into_iter().flatten().collect()
    }
}

impl KeptQuestion for ValueAtRiskQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        vec![self.instrument_id]
    }
}

impl KeptQuestion for VolumeQuestion {
    fn instrument_ids(&self) -> Vec<i64> {
        vec![self.instrument_id]
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

flat!(Bucket, Correlation, IndicatorValue, PriceLevel);

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

impl CacheSize for MarketAnalysis {
    fn heap_bytes(&self) -> usize {
        let levels = self.levels.as_ref();
        let levels = levels.map_or(0, |of| of.support.heap_bytes() + of.resistance.heap_bytes());
        self.subject.heap_bytes() + levels
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
