//! Spans of time and what is left of them: arithmetic on whole periods. It reads nothing.

use crate::domain::Frequency;
use crate::repository::bar::BarRange;
use crate::repository::market_data::TickRange;
use crate::timestamp::Timestamp;

/// From `start` (included) to `end` (excluded), in microseconds since the epoch. The end of the
/// last period is beyond [`Timestamp::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeSpan {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl TimeSpan {
    /// All of time.
    pub(super) const ALL: Self = Self {
        start: Timestamp::MIN.micros(),
        end: Timestamp::MAX.micros() + 1,
    };

    pub(super) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The period of a frequency that holds a moment.
    pub(super) fn of_period(frequency: Frequency, micros: i64) -> Self {
        let (start, end) = frequency.period_micros(micros);
        Self { start, end }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        }
    }

    /// From one moment (included) to another one (excluded).
    pub(crate) fn between(start: Timestamp, end: Timestamp) -> Self {
        Self {
            start: start.micros(),
            end: end.micros(),
        }
    }

    /// The first moment and the last one.
    pub(super) fn moments(self) -> (Timestamp, Timestamp) {
        (
            Timestamp::from_micros_clamped(self.start),
            Timestamp::from_micros_clamped(self.end - 1),
        )
    }

    fn bounds(self) -> (Option<Timestamp>, Option<Timestamp>) {
        let end =
            (self.end <= Timestamp::MAX.micros()).then(|| Timestamp::from_micros_clamped(self.end));
        (Some(Timestamp::from_micros_clamped(self.start)), end)
    }

    pub(super) fn ticks(self, instrument_id: i64) -> TickRange {
        let (start, end) = self.bounds();
        TickRange {
            instrument_id,
            start,
            end,
        }
    }

    pub(super) fn bars(self, instrument_id: i64, frequency: Frequency) -> BarRange {
        let (start, end) = self.bounds();
        BarRange {
            start,
            end,
            ..BarRange::all(instrument_id, frequency)
        }
    }
}

/// What is left of the spans without the holes, both in order of time.
pub(super) fn without(spans: &[TimeSpan], holes: &[TimeSpan]) -> Vec<TimeSpan> {
    let mut left = Vec::new();
    let mut holes = holes.iter().copied().peekable();
    for span in spans {
        let mut start = span.start;
        while let Some(hole) = holes.peek().filter(|hole| hole.start < span.end) {
            if hole.start > start {
                left.push(TimeSpan {
                    start,
                    end: hole.start,
                });
            }
            start = start.max(hole.end);
            if hole.end > span.end {
                break; // It reaches into the next span.
            }
            holes.next();
        }
        if start < span.end {
            left.push(TimeSpan {
                start,
                end: span.end,
            });
        }
    }
    left
}

/// The spans with those joined that at most `gap` microseconds divide: fewer reads, of a little
/// more.
pub(super) fn bridged(spans: Vec<TimeSpan>, gap: i64) -> Vec<TimeSpan> {
    let mut joined: Vec<TimeSpan> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start - last.end <= gap => last.end = span.end,
            _ => joined.push(span),
        }
    }
    joined
}

/// The spans that hold moments which come in order of time.
pub(super) struct SpanCursor<'a> {
    spans: &'a [TimeSpan],
}

impl<'a> SpanCursor<'a> {
    pub(super) fn new(spans: &'a [TimeSpan]) -> Self {
        Self { spans }
    }

    /// Whether one of the spans holds the moment, which is not before the last one asked for.
    pub(super) fn contains(&mut self, micros: i64) -> bool {
        while let Some(span) = self.spans.first() {
            if micros < span.end {
                return span.start <= micros;
            }
            self.spans = &self.spans[1..];
        }
        false
    }
}

/// Whether one of the spans, which are in order, holds the moment.
pub(super) fn contains(spans: &[TimeSpan], micros: i64) -> bool {
    let after = spans.partition_point(|span| span.end <= micros);
    spans.get(after).is_some_and(|span| span.start <= micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: i64, end: i64) -> TimeSpan {
        TimeSpan { start, end }
    }

    #[test]
    fn holes_leave_what_they_do_not_cover() {
        let holes = [span(-5, 1), span(3, 4), span(4, 5), span(8, 30)];
        let left = without(&[span(0, 10), span(20, 40)], &holes);
        assert_eq!(left, [span(1, 3), span(5, 8), span(30, 40)]);
        assert_eq!(without(&[span(0, 10)], &[]), [span(0, 10)]);
        assert!(without(&[span(0, 10)], &[span(0, 10)]).is_empty());
    }

    #[test]
    fn near_spans_are_joined() {
        let near = vec![span(0, 1), span(3, 4), span(9, 10)];
        assert_eq!(bridged(near, 2), [span(0, 4), span(9, 10)]);
    }

    /// Spans in order that do not overlap.
    fn some_spans() -> impl Strategy<Value = Vec<TimeSpan>> {
        proptest::collection::btree_set(0..60_i64, 0..20).prop_map(|bounds| {
            let bounds: Vec<i64> = bounds.into_iter().collect();
            bounds
                .chunks_exact(2)
                .map(|pair| span(pair[0], pair[1]))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_moment_is_left_if_it_is_in_a_span_and_in_no_hole(
            spans in some_spans(),
            holes in some_spans(),
        ) {
            let left = without(&spans, &holes);
            let within = |spans: &[TimeSpan], at| spans.iter().any(|s| (s.start..s.end).contains(&at));
            let mut cursor = SpanCursor::new(&left);
            for at in -1..61 {
                let expected = within(&spans, at) && !within(&holes, at);
                prop_assert_eq!(within(&left, at), expected, "{}", at);
                prop_assert_eq!(contains(&left, at), expected, "{}", at);
                prop_assert_eq!(cursor.contains(at), expected, "{}", at);
            }
            prop_assert!(left.iter().all(|span| !span.is_empty()));
        }
    }
}
