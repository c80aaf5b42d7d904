//! The families of the cache, as they are at the moment of the scrape.

use super::exposition::{Exposition, MetricKind};
use crate::services::cache::{CacheKindSnapshot, CacheSnapshot};

const CACHE: &str = "cache";

/// The families of the cache, by kind of answer: questions, reads, what it holds, what left it.
pub fn cache_metrics(text: &mut Exposition, snapshot: &CacheSnapshot) {
    type ReadCacheCounts = fn(&CacheKindSnapshot) -> Vec<(&'static str, u64)>;
    let counters: [(&str, &str, &str, ReadCacheCounts); 3] = [
        (
            "tickbase_cache_requests_total",
            "Questions to the cache: hit (answered from memory), miss (read for), joined (waited \
             for a read under way).",
            "result",
            |of| vec![("hit", of.hits), ("miss", of.misses), ("joined", of.joined)],
        ),
        (
            "tickbase_cache_fills_total",
            "Reads of the database for the cache, each for one or more answers: success (also when \
             there is no such thing), error (the read failed).",
            "outcome",
            |of| vec![("success", of.fills), ("error", of.failed_fills)],
        ),
        (
            "tickbase_cache_evictions_total",
            "Answers that left the cache, or were not taken in: size (it was full), expired, \
             oversized (too large to be kept).",
            "cause",
            |of| {
                let causes = [of.evicted, of.expired, of.oversized];
                ["size", "expired", "oversized"]
                    .into_iter()
                    .zip(causes)
                    .collect()
            },
        ),
    ];
    for (name, help, label, counts) in counters {
        let mut family = text.family(MetricKind::Counter, name, help);
        for of in &snapshot.kinds {
            for (value, count) in counts(of) {
                family.sample(&[(CACHE, of.kind.as_str()), (label, value)], count as f64);
            }
        }
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_cache_entries",
        "Answers in the cache.",
    );
    for of in &snapshot.kinds {
        family.sample(&[(CACHE, of.kind.as_str())], of.entries as f64);
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_cache_size_bytes",
        "Bytes of the answers in the cache, with keys and bookkeeping.",
    );
    for of in &snapshot.kinds {
        family.sample(&[(CACHE, of.kind.as_str())], of.bytes as f64);
    }
    text.single(
        MetricKind::Gauge,
        "tickbase_cache_size_max_bytes",
        "The bound of all answers in the cache together.",
        snapshot.bytes_max as f64,
    );
}
