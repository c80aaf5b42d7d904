//! What each source gives of a period, and the bar that these parts make together. It reads
//! nothing.

use crate::domain::PeriodBar;

/// When what a part was made of happened, in microseconds since the epoch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub(super) first: Option<i64>,
    last: i64,
    /// That of the last bar that says the open interest.
    interest: Option<i64>,
}

impl Moments {
    pub(super) fn add(&mut self, micros: i64) {
        if self.first.is_none() {
            self.first = Some(micros);
        }
        self.last = micros;
    }

    pub(super) fn add_bar(&mut self, micros: i64, says_interest: bool) {
        self.add(micros);
        if says_interest {
            self.interest = Some(micros);
        }
    }
}

/// What one frequency of bars, or the ticks, give of a period.
#[derive(Debug)]
pub(super) struct PeriodPart {
    /// Start of the period.
    pub(super) period: i64,
    pub(super) moments: Moments,
    /// The source of a bar that is stored for the whole period.
    pub(super) stored: Option<i64>,
    pub(super) bar: PeriodBar,
}

impl PeriodPart {
    /// Adds a part whose first moment is not before this one's. Its last one may be: bars and
    /// ticks of a period take turns.
    fn join(&mut self, other: Self) {
        self.bar.widen(&other.bar);
        // The close is that of the latest moment, whichever part has it.
        if other.moments.last > self.moments.last {
            self.bar.close = other.bar.close;
            self.moments.last = other.moments.last;
        }
        if other.moments.interest > self.moments.interest {
            self.bar.open_interest = other.bar.open_interest;
            self.moments.interest = other.moments.interest;
        }
    }
}

/// A bar of an answer.
#[derive(Debug)]
pub(crate) struct ComposedBar {
    /// The source of a bar that is stored for the whole period; `None` for one that was made.
    pub(crate) stored: Option<i64>,
    /// A stored one has the moment by which its source names the period, else the start.
    pub(crate) bar: PeriodBar,
}

/// Puts the parts together, and the bars that they make in order of time behind `bars`.
pub(super) fn join(mut parts: Vec<PeriodPart>, bars: &mut Vec<ComposedBar>) {
    // By their first moments: the open of a bar is that of its earliest part.
    parts.sort_by_key(|part| (part.period, part.moments.first));
    bars.reserve(parts.len());
    let mut open: Option<PeriodPart> = None;
    for part in parts {
        match &mut open {
            // Bars that are stored for the whole period come alone, or from one source that names
            // two moments of it.
            Some(before) if before.period == part.period && part.stored.is_none() => {
                before.join(part);
            }
            open => bars.extend(open.replace(part).map(composed)),
        }
    }
    bars.extend(open.map(composed));
}

fn composed(part: PeriodPart) -> ComposedBar {
    ComposedBar {
        stored: part.stored,
        bar: part.bar,
    }
}
