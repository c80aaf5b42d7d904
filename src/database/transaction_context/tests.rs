//! What a follower is told, and in which order: savepoints, failed jobs, panics, groups that die.

use std::cell::RefCell;
use std::sync::Mutex;

use super::*;
use crate::error::{Error, Result};
use crate::testing::TemporaryDatabase;

/// Writes down what it is told.
struct Scribe {
    told: Arc<Mutex<Vec<String>>>,
    marks: RefCell<u64>,
}

impl Scribe {
    fn write(&self, word: String) {
        self.told.lock().unwrap().push(word);
    }
}

impl TransactionHook for Scribe {
    fn savepoint(&self) -> u64 {
        *self.marks.borrow_mut() += 1;
        self.write(format!("mark {}", self.marks.borrow()));
        *self.marks.borrow()
    }

    fn rollback_to(&self, mark: u64) {
        self.write(format!("return to {mark}"));
    }

    fn ended(&self, ending: Ending) {
        self.write(format!("{ending:?}"));
    }
}

#[derive(Default)]
struct Told(Arc<Mutex<Vec<String>>>);

fn follow(conn: &BackendConnection<'_>) {
    let told = Arc::clone(&conn.attached::<Told>().unwrap().0);
    let marks = RefCell::default();
    conn.hook(|| Scribe { told, marks }).unwrap();
}

fn no() -> Error {
    Error::invalid("test", "it says no", "none")
}

fn database() -> (TemporaryDatabase, Arc<Told>) {
    let database = TemporaryDatabase::sqlite().unwrap();
    let told = Arc::<Told>::default();
    assert!(database.attach(Arc::clone(&told)));
    (database, told)
}

fn words(told: &Told) -> Vec<String> {
    std::mem::take(&mut *told.0.lock().unwrap())
}

#[test]
fn a_write_tells_its_followers_of_savepoints_and_of_its_end() {
    let (database, told) = database();
    let write = |fails: bool| {
        database.write("test.write", move |conn| {
            follow(conn);
            conn.savepoint(|_| Ok(()))?;
            let undone: Result<()> = conn.savepoint(|_| Err(no()));
            assert!(undone.is_err());
            follow(conn);
            if fails { Err(no()) } else { Ok(()) }
        })
    };
    write(false).unwrap();
    assert_eq!(
        words(&told),
        ["mark 1", "mark 2", "return to 2", "Committed"]
    );
    write(true).unwrap_err();
    assert_eq!(
        words(&told),
        ["mark 1", "mark 2", "return to 2", "RolledBack"]
    );
}

#[test]
fn one_that_begins_to_follow_in_a_savepoint_ends_with_it() {
    let (database, told) = database();
    database
        .write("test.write", |conn| {
            let undone: Result<()> = conn.savepoint(|conn| {
                follow(conn);
                Err(no())
            });
            assert!(undone.is_err());
            Ok(())
        })
        .unwrap();
    assert_eq!(words(&told), ["RolledBack"]);
}

#[test]
fn a_panic_tells_them_and_leaves_nothing_on_the_thread() {
    let (database, told) = database();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        database.write("test.panic", |conn| -> Result<()> {
            follow(conn);
            panic!("expected");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(words(&told), ["RolledBack"]);
    assert!(CURRENT.with_borrow(Option::is_none));
}

#[test]
fn only_what_is_attached_is_found_and_one_of_a_type() {
    let (database, told) = database();
    assert!(!database.attach(Arc::<Told>::default()), "one is there");
    let finds = || {
        let found = |conn: &mut BackendConnection<'_>| Ok(conn.attached::<Told>().is_some());
        database.write("test.attached", found).unwrap()
    };
    assert!(finds());
    database.detach(&Arc::<Told>::default());
    assert!(finds(), "another one was not there to be taken off");
    database.detach(&told);
    assert!(!finds());
}

#[test]
fn what_may_stand_raises_the_versions_and_what_was_undone_does_not() {
    use crate::database::CacheTag;
    let db = TemporaryDatabase::sqlite().unwrap();
    let db = db.database();
    let touched = |ending| {
        let before = db.version(CacheTag::Bars(7));
        let scope = TransactionContext::begin(&db.inner.attachments);
        touch(|touched| touched.add(crate::database::Invalidation::Bars(&[7])));
        match ending {
            Some(ending) => scope.end(ending),
            None => drop(scope),
        }
        db.version(CacheTag::Bars(7)) - before
    };
    assert_eq!(touched(Some(Ending::Committed)), 1);
    assert_eq!(
        touched(Some(Ending::Unknown)),
        1,
        "the server may have committed"
    );
    assert_eq!(touched(Some(Ending::RolledBack)), 0);
    assert_eq!(touched(None), 0);
}
