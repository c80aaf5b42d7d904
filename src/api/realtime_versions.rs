//! Which versions of the data of instruments have been heard of, so that those which have not are
//! known to be of other writers. It reads no database and sends nothing.

use std::collections::{BTreeSet, HashMap};

/// The versions that were heard of, by instrument.
#[derive(Debug, Default)]
pub(super) struct DataVersions(HashMap<i64, HeardVersions>);

/// Commits of several threads may be heard of in another order than that of their versions.
#[derive(Debug, Default)]
struct HeardVersions {
    /// All up to this one.
    to: i64,
    /// Later ones.
    ahead: BTreeSet<i64>,
}

impl HeardVersions {
    fn hear_all_to(&mut self, version: i64) {
        self.to = self.to.max(version);
        while self.ahead.first().is_some_and(|next| *next <= self.to + 1) {
            self.to = self.to.max(self.ahead.pop_first().unwrap_or(self.to));
        }
    }
}

impl DataVersions {
    /// A commit has made this version.
    pub(super) fn hear(&mut self, instrument_id: i64, version: i64) {
        let heard = self.0.entry(instrument_id).or_default();
        heard.ahead.insert(version);
        heard.hear_all_to(heard.to);
    }

    /// These versions, and all before them, are those to begin with.
    pub(super) fn begin(&mut self, versions: &[(i64, i64)]) {
        for (id, version) in versions {
            self.0.entry(*id).or_default().hear_all_to(*version);
        }
    }

    /// The instruments of which a version up to these has not been heard of. From now on it has.
    pub(super) fn unheard(&mut self, versions: &[(i64, i64)]) -> Vec<i64> {
        let mut unheard = Vec::new();
        for (id, version) in versions {
            let heard = self.0.entry(*id).or_default();
            if heard.to < *version {
                unheard.push(*id);
                heard.hear_all_to(*version);
            }
        }
        unheard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_nobody_has_told_is_of_another_writer_once() {
        let mut versions = DataVersions::default();
        versions.hear(1, 8); // Before the first look at the database.
        versions.begin(&[(1, 7), (2, 3)]);
        assert_eq!(versions.unheard(&[(1, 8), (2, 3)]), Vec::<i64>::new());
        // Of two commits the second may be heard of first.
        versions.hear(1, 10);
        versions.hear(1, 9);
        assert_eq!(versions.unheard(&[(1, 10), (2, 4)]), [2]);
        assert_eq!(versions.unheard(&[(1, 10), (2, 4)]), Vec::<i64>::new());
        // Another writer between two commits of this one.
        versions.hear(2, 6);
        assert_eq!(versions.unheard(&[(2, 4)]), Vec::<i64>::new());
        assert_eq!(versions.unheard(&[(2, 6), (3, 1)]), [2, 3]);
        versions.hear(2, 7);
        assert_eq!(versions.unheard(&[(2, 7)]), Vec::<i64>::new());
    }
}
