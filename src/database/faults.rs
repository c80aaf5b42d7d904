//! What statements found wrong with the storage itself. The probe shows it, for a fresh connection
//! sees neither a full disk nor a damaged page that it does not read. It mends nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::probe_cause::ProbeCause;
use crate::error::{BackendCondition, Error};

/// The faults of one database.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// A write found no room; until one succeeds.
    full: AtomicBool,
    /// The storage could not be read or written; until a write succeeds.
    failing: AtomicBool,
    /// A statement came upon a damaged page. Other pages may be good, so a write that succeeds
    /// proves nothing: it is shown until the database is opened again.
    damaged: AtomicBool,
}

impl Faults {
    /// Judges an error of an operation.
    pub(super) fn found_by(&self, error: &Error) {
        use BackendCondition::{Damaged, NotADatabase, StorageFails};
        let fault = match error {
            Error::Full { .. } => &self.full,
            Error::Query { source, .. } => match BackendCondition::of(source) {
                Some(Damaged | NotADatabase) => &self.damaged,
                Some(StorageFails) => &self.failing,
                _ => return,
            },
            _ => return,
        };
        fault.store(true, Ordering::Relaxed);
    }

    /// A write was committed.
    pub(super) fn written(&self) {
        for fault in [&self.full, &self.failing] {
            // A look costs less than a store that every thread would see.
            if fault.load(Ordering::Relaxed) {
                fault.store(false, Ordering::Relaxed);
            }
        }
    }

    /// The gravest fault, with its reason and what to do.
    pub(super) fn gravest(&self) -> Option<(ProbeCause, &'static str, &'static str)> {
        let is = |fault: &AtomicBool| fault.load(Ordering::Relaxed);
        if is(&self.damaged) {
            let reason = "a statement came upon a damaged page";
            let remedy = "restore the database from a backup, or repair it, and restart tickbase";
            Some((ProbeCause::Damaged, reason, remedy))
        } else if is(&self.failing) {
            let reason =
                "the storage could not be read or written, and no write has succeeded since";
            Some((ProbeCause::StorageFails, reason, "check the disk"))
        } else if is(&self.full) {
            let reason = "the last write found no room, and none has succeeded since";
            let remedy = "free disk space, or raise sqlite.max_page_count";
            Some((ProbeCause::Full, reason, remedy))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error as DieselError};

    use super::*;

    fn error(text: &str) -> Error {
        let source =
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
        Error::from(source).during("test")
    }

    fn cause(faults: &Faults) -> Option<ProbeCause> {
        faults.gravest().map(|(cause, ..)| cause)
    }

    #[test]
    fn room_is_lacking_until_a_write_succeeds_and_damage_stays() {
        let faults = Faults::default();
        for (text, after, after_a_write) in [
            ("UNIQUE constraint failed", None, None),
            ("database or disk is full", Some(ProbeCause::Full), None),
            ("No space left on device", Some(ProbeCause::Full), None),
            ("disk I/O error", Some(ProbeCause::StorageFails), None),
            (
                "database disk image is malformed",
                Some(ProbeCause::Damaged),
                Some(ProbeCause::Damaged),
            ),
            (
                "database or disk is full",
                Some(ProbeCause::Damaged),
                Some(ProbeCause::Damaged),
            ),
        ] {
            faults.found_by(&error(text));
            assert_eq!(cause(&faults), after, "{text}");
            faults.written();
            assert_eq!(cause(&faults), after_a_write, "{text}");
        }
    }
}
