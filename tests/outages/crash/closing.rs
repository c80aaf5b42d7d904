//! A database is closed under load: each call is either acknowledged and stored, or refused and
//! not stored.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::{Error, on_backend};

use crate::crash::journal::{Journal, Stored, Word};
use crate::crash::load::{Chance, Load, Next};
use crate::support::{TestDatabase, on_both};

const PRODUCERS: usize = 40;
/// Databases that are closed in one test, each at another moment.
const CLOSINGS: u64 = 8;

fn open(db: &TestDatabase) -> Database {
    // Few connections and a short queue: callers wait before every door when it closes.
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        config.pool.base = 4;
        config.pool.overflow = 4;
        config.write.queue_rows_max = 200;
    });
    Database::open(config).unwrap()
}

on_both! {
    fn every_call_around_a_close_is_stored_or_refused(db: &TestDatabase) {
        let mut all = Journal::default();
        for round in 0..CLOSINGS {
            let database = open(db);
            let journal = Mutex::new(Journal::default());
            let refused = AtomicUsize::new(0);
            let say = |batch, word| journal.lock().unwrap().note(batch, word);
            let failed = |error: &Error| {
                assert!(matches!(error, Error::Closed), "{}", error.chain());
                refused.fetch_add(1, Ordering::SeqCst);
                Next::Stop
            };
            let chance = Chance::new(round);
            let load = Load::new(&database, round as i64 * 1_000_000, chance, &say, &failed);
            std::thread::scope(|scope| {
                let producers = scope.spawn(|| load.run(PRODUCERS));
                let wanted = 10 * round as usize;
                while journal.lock().unwrap().count(Word::Stored) < wanted {
                    assert!(!producers.is_finished());
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                database.close();
                // What close has not ended is refused: nothing is stored any more.
                let at_close = Stored::of(db).ticks();
                producers.join().unwrap();
                assert_eq!(Stored::of(db).ticks(), at_close);
            });
            assert_eq!(refused.load(Ordering::SeqCst), PRODUCERS);
            let journal = journal.into_inner().unwrap();
            assert_eq!(journal.count(Word::Started), 0);
            all.extend(journal);
            let found = all.contradictions(&Stored::of(db));
            assert!(found.is_empty(), "round {round}: {found:#?}");
        }
        println!("{all}");
    }

    fn a_write_that_closes_its_database_is_stored(db: &TestDatabase) {
        db.raw("CREATE TABLE numbers (n BIGINT NOT NULL)").unwrap();
        let stored = || db.texts("SELECT CAST(n AS TEXT) AS text FROM numbers").len();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for asynchronous in [false, true] {
            let database = open(db);
            let closing = database.clone();
            let work = move |conn: &mut tickbase::database::BackendConnection<'_>| {
                closing.close();
                on_backend!(conn, |c| c.batch_execute("INSERT INTO numbers VALUES (1)"))?;
                Ok(())
            };
            let before = stored();
            if asynchronous {
                runtime.block_on(database.write_async("test.closes", work)).unwrap();
            } else {
                database.write("test.closes", work).unwrap();
            }
            assert_eq!(stored(), before + 1);
            let late = database.write("test.late", |_| Ok(()));
            assert!(matches!(late, Err(Error::Closed)), "{late:?}");
        }
    }

    /// The task of the call goes with the runtime, its closure does not.
    fn a_write_whose_runtime_ends_is_answered_with_what_became_of_it(db: &TestDatabase) {
        db.raw("CREATE TABLE numbers (n BIGINT NOT NULL)").unwrap();
        let database = open(db);
        let ending = tokio::runtime::Runtime::new().unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let goes_on = Mutex::new(goes_on);
        let mut write = Box::pin(database.write_async("test.ends", move |conn| {
            begun.send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap_err();
            on_backend!(conn, |c| c.batch_execute("INSERT INTO numbers VALUES (1)"))?;
            Ok(())
        }));
        let handle = ending.handle().clone();
        let inside_the_other = std::future::poll_fn(move |context| {
            let _runtime = handle.enter();
            write.as_mut().poll(context)
        });
        let caller = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = std::thread::scope(|scope| {
            let call = scope.spawn(|| caller.block_on(inside_the_other));
            has_begun.recv().unwrap();
            ending.shutdown_timeout(Duration::from_millis(1));
            drop(go_on);
            call.join().unwrap()
        });
        outcome.unwrap();
        let stored = db.texts("SELECT CAST(n AS TEXT) AS text FROM numbers");
        assert_eq!(stored, ["1"]);
    }
}
