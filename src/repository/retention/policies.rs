//! Which policy counts for a tick or a bar.

use std::time::Duration;

use crate::domain::{Frequency, RetentionKind};
use crate::models::RetentionPolicy;
use crate::repository::retention_policy::rank;

/// All policies of a database.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicySet(Vec<RetentionPolicy>);

impl PolicySet {
    pub(super) fn new(policies: Vec<RetentionPolicy>) -> Self {
        Self(policies)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, kind: RetentionKind) -> bool {
        self.0.iter().any(|of| of.kind == kind)
    }

    /// Of those that hold, the most specific one.
    fn most_specific(
        &self,
        kind: RetentionKind,
        holds: impl Fn(&RetentionPolicy) -> bool,
    ) -> Option<&RetentionPolicy> {
        let hold = self.0.iter().filter(|of| of.kind == kind && holds(of));
        hold.max_by_key(|of| rank(of))
    }

    pub(super) fn ticks(&self, instrument_id: i64) -> Option<&RetentionPolicy> {
        self.most_specific(RetentionKind::Ticks, |of| {
            is_of(of.instrument_id, instrument_id)
        })
    }

    pub(super) fn bars(
        &self,
        instrument_id: i64,
        source_id: i64,
        frequency: Frequency,
    ) -> Option<&RetentionPolicy> {
        self.most_specific(RetentionKind::Bars, |of| {
            is_of(of.instrument_id, instrument_id)
                && is_of(of.data_source_id, source_id)
                && is_of(of.frequency, frequency)
        })
    }

    /// The least age at which bars of an instrument and a frequency may go, of some source.
    pub(super) fn least_age_of_bars(
        &self,
        instrument_id: i64,
        frequency: Frequency,
    ) -> Option<Duration> {
        let of_bars = self.0.iter().filter(|of| {
            of.kind == RetentionKind::Bars
                && is_of(of.instrument_id, instrument_id)
                && is_of(of.frequency, frequency)
        });
        of_bars.filter_map(RetentionPolicy::delete_after).min()
    }
}

fn is_of<T: PartialEq>(policy: Option<T>, asked: T) -> bool {
    policy.is_none_or(|policy| policy == asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn policy(
        id: i64,
        kind: RetentionKind,
        (instrument_id, data_source_id, frequency): (Option<i64>, Option<i64>, Option<Frequency>),
    ) -> RetentionPolicy {
        RetentionPolicy {
            id,
            kind,
            instrument_id,
            data_source_id,
            frequency,
            archive_after_seconds: None,
            delete_after_seconds: Some(1),
            created_at: Timestamp::MIN,
            updated_at: Timestamp::MIN,
        }
    }

    #[test]
    fn the_most_specific_policy_counts_instrument_first_then_source_then_frequency() {
        use Frequency::{OneDay, OneMinute};
        let bars = RetentionKind::Bars;
        let all = PolicySet::new(vec![
            policy(1, bars, (None, None, None)),
            policy(2, bars, (None, None, Some(OneMinute))),
            policy(3, bars, (None, Some(7), None)),
            policy(4, bars, (Some(9), None, None)),
            policy(5, bars, (Some(9), None, Some(OneMinute))),
            policy(6, RetentionKind::Ticks, (None, None, None)),
        ]);
        let of =
            |instrument, source, frequency| all.bars(instrument, source, frequency).unwrap().id;
        assert_eq!(of(1, 1, OneDay), 1);
        assert_eq!(of(1, 1, OneMinute), 2);
        assert_eq!(of(1, 7, OneMinute), 3);
        assert_eq!(of(9, 7, OneDay), 4);
        assert_eq!(of(9, 7, OneMinute), 5);
        assert_eq!(all.ticks(9).unwrap().id, 6);
        assert!(PolicySet::default().ticks(9).is_none());
    }
}
