//! What a transaction knows, and what a savepoint takes back of it; what its hooks are told, and in
//! which order.

use std::sync::Mutex;

use super::*;
use crate::database::BackendConnection;
use crate::error::{Error, Result};
use crate::testing::TemporaryDatabase;

/// Writes down what it is told.
struct Scribe {
    told: Arc<Mutex<Vec<String>>>,
    marks: Mutex<u64>,
}

impl Scribe {
    fn write(&self, word: String) {
        self.told.lock().unwrap().push(word);
    }
}

impl TransactionHook for Scribe {
    fn savepoint(&self) -> u64 {
        let mut marks = self.marks.lock().unwrap();
        *marks += 1;
        self.write(format!("mark {marks}"));
        *marks
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

fn follow(conn: &mut BackendConnection<'_>) {
    let told = Arc::clone(&conn.attached::<Told>().unwrap().0);
    let marks = Mutex::default();
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
    let again = |conn: &mut BackendConnection<'_>| {
        let context = conn.context().unwrap();
        Ok((context.op, context.counts))
    };
    let fresh = ("test.again", OperationCounts::default());
    assert_eq!(database.write("test.again", again).unwrap(), fresh);
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
    let raised = |ending: Option<Ending>| {
        let before = db.version(CacheTag::Bars(7));
        let mut context = ConnectionContext::new("test");
        context.begin(&db.inner.attachments);
        drop(context.invalidate(Invalidation::Bars(&[7])));
        match ending {
            Some(ending) => context.end(ending),
            None => drop(context),
        }
        db.version(CacheTag::Bars(7)) - before
    };
    assert_eq!(raised(Some(Ending::Committed)), 1);
    let unknown = raised(Some(Ending::Unknown));
    assert_eq!(unknown, 1, "the server may have committed");
    assert_eq!(raised(Some(Ending::RolledBack)), 0);
    assert_eq!(raised(None), 0);
}

#[test]
fn a_savepoint_takes_back_counts_and_invalidations_together() {
    use crate::database::CacheTag;
    let (database, _) = database();
    let rows = |op: &str| {
        let operations = database.operations();
        operations.iter().find(|it| it.op == op).unwrap().rows
    };
    let versions = || [7, 8].map(|id| database.version(CacheTag::Bars(id)));
    let before = versions();
    database
        .write("test.counts", |conn| {
            drop(conn.invalidates(Invalidation::Bars(&[7])));
            conn.record_rows(1);
            let undone: Result<()> = conn.savepoint(|conn| {
                drop(conn.invalidates(Invalidation::Bars(&[8])));
                conn.record_rows(40);
                Err(no())
            });
            assert!(undone.is_err());
            conn.record_rows(2);
            Ok(())
        })
        .unwrap();
    assert_eq!(rows("test.counts"), 3);
    assert_eq!(versions(), [before[0] + 1, before[1]]);
}

#[test]
fn an_operation_inside_another_on_one_connection_counts_for_itself() {
    let (database, _) = database();
    let (inner, outer) = database
        .write("test.outer", |conn| {
            conn.record_rows(1);
            let (op, inner) = conn.run_as("test.inner", |conn| {
                conn.record_rows(5);
                conn.context().unwrap().op
            });
            assert_eq!(
                (op, conn.context().unwrap().op),
                ("test.inner", "test.outer")
            );
            Ok((inner.rows, conn.context().unwrap().counts.rows))
        })
        .unwrap();
    assert_eq!((inner, outer), (5, 1));
}

#[test]
fn the_context_is_found_through_a_connection_that_is_wrapped_again() {
    let (database, told) = database();
    let wrapped = |conn: &mut BackendConnection<'_>| {
        crate::on_backend!(conn, |c| {
            let mut again = BackendConnection::from(c);
            again.record_rows(3);
            follow(&mut again);
        });
        Ok(())
    };
    database.write("test.wrapped", wrapped).unwrap();
    assert_eq!(words(&told), ["Committed"]);
    let operations = database.operations();
    let counted = operations.iter().find(|it| it.op == "test.wrapped");
    assert_eq!(counted.unwrap().rows, 3);
}

#[test]
fn a_write_that_replaces_the_observer_is_refused_and_a_read_is_not() {
    use diesel::connection::{Connection, InstrumentationEvent};
    let (database, told) = database();
    let replace = |conn: &mut BackendConnection<'_>| {
        let ignore = |_: InstrumentationEvent<'_>| {};
        crate::on_backend!(conn, |c| c.set_instrumentation(ignore));
        Ok(())
    };
    let refused = database.write("test.replace", move |conn| {
        follow(conn);
        replace(conn)
    });
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("instrumentation"), "{error}");
    assert_eq!(words(&told), ["RolledBack"]);
    database.read("test.replace", replace).unwrap();
    let follows = |conn: &mut BackendConnection<'_>| {
        follow(conn);
        Ok(())
    };
    database.write("test.after", follows).unwrap();
    assert_eq!(words(&told), ["Committed"]);
}
