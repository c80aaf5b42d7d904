//! The lane against a real SQLite file: what goes wrong inside a group, and what must survive it.

mod locks;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Barrier, mpsc};

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::*;

type BoxedJob<T> = Box<dyn FnMut(&mut BackendConnection<'_>) -> Result<T> + Send>;

struct Lane {
    lane: Arc<WriteLane>,
    dir: tempfile::TempDir,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    sum: i64,
}

fn connect(path: &Path) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 50; PRAGMA journal_mode = WAL")
        .unwrap();
    conn
}

fn lane() -> Lane {
    lane_with(Duration::from_secs(30), "")
}

/// A lane with room for small rows, none for a blob: SQLite rolls a whole transaction back when
/// the file is full.
fn lane_that_fills_up() -> Lane {
    lane_with(Duration::from_secs(30), "PRAGMA max_page_count = 20")
}

fn lane_with(lock_wait_max: Duration, pragma: &'static str) -> Lane {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lane.db");
    connect(&path)
        .batch_execute("CREATE TABLE t (n BIGINT NOT NULL UNIQUE, filler BLOB)")
        .unwrap();
    let limits = WriteConfig {
        queue_rows_max: 256,
        group_jobs_max: 64,
        group_rows_max: 100,
        ..WriteConfig::default()
    };
    let wal = Wal::new(
        dir.path().join("lane.db-wal"),
        1 << 30,
        Duration::from_secs(5),
    );
    let opener = Box::new(move || {
        let mut conn = connect(&path);
        conn.batch_execute(pragma)?;
        Ok(conn)
    });
    let files = Arc::new(DatabaseFiles::new(&dir.path().join("lane.db")));
    let attachments = Arc::default();
    let lane = WriteLane::start(limits, lock_wait_max, wal, files, attachments, opener).unwrap();
    let lane = Arc::new(lane);
    Lane { lane, dir }
}

impl Lane {
    fn reader(&self) -> SqliteConnection {
        connect(&self.dir.path().join("lane.db"))
    }

    fn stored(&self) -> (i64, i64) {
        let sum: Sum =
            diesel::sql_query("SELECT count(*) AS count, coalesce(sum(n), 0) AS sum FROM t")
                .get_result(&mut self.reader())
                .unwrap();
        (sum.count, sum.sum)
    }

    /// Holds the lane until the returned sender is dropped, so that what comes meanwhile is one
    /// group.
    fn hold(&self) -> (mpsc::Sender<()>, std::thread::JoinHandle<()>) {
        let (release, held) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel();
        let lane = Arc::clone(&self.lane);
        let holder = std::thread::spawn(move || {
            lane.exclusive(|_| {
                started.send(()).unwrap();
                held.recv().unwrap_err();
                Ok(())
            })
            .unwrap();
        });
        running.recv().unwrap();
        (release, holder)
    }

    /// Starts `jobs` while the lane is held, in this order, and lets them go as one group.
    fn as_one_group<T: Send + 'static>(
        &self,
        jobs: Vec<BoxedJob<T>>,
    ) -> Vec<std::thread::Result<Result<T>>> {
        let (release, holder) = self.hold();
        let mut callers = Vec::new();
        for (i, mut job) in jobs.into_iter().enumerate() {
            let lane = Arc::clone(&self.lane);
            callers.push(std::thread::spawn(move || {
                lane.write("test", BatchSize::ONE, move |conn| job(conn))
            }));
            while lock(&self.lane.shared.queue).jobs.len() <= i {
                std::thread::yield_now();
            }
        }
        drop(release);
        holder.join().unwrap();
        callers
            .into_iter()
            .map(std::thread::JoinHandle::join)
            .collect()
    }
}

fn insert(conn: &mut BackendConnection<'_>, n: i64) -> Result<()> {
    execute(conn, &format!("INSERT INTO t (n) VALUES ({n})"))
}

fn execute(conn: &mut BackendConnection<'_>, sql: &str) -> Result<()> {
    crate::on_backend!(conn, |c| c.batch_execute(sql))?;
    Ok(())
}

type Work = BoxedJob<()>;

fn inserts(n: i64) -> Work {
    Box::new(move |conn| insert(conn, n))
}

#[test]
fn an_error_undoes_its_own_job_and_spares_its_neighbours() {
    let lane = lane();
    let answers = lane.as_one_group(vec![
        inserts(1),
        Box::new(|conn| {
            insert(conn, 2)?;
            insert(conn, 1)
        }),
        inserts(3),
    ]);
    let ok: Vec<bool> = answers.into_iter().map(|a| a.unwrap().is_ok()).collect();
    assert_eq!(ok, [true, false, true]);
    assert_eq!(lane.stored(), (2, 4));
    let snapshot = lane.lane.snapshot();
    assert_eq!(
        (
            snapshot.commits,
            snapshot.committed_jobs,
            snapshot.failed_jobs
        ),
        (1, 2, 1)
    );
}

#[test]
fn a_full_database_loses_no_neighbour_and_lets_no_later_job_through() {
    let lane = lane_that_fills_up();
    let later = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&later);
    let answers = lane.as_one_group(vec![
        inserts(1),
        Box::new(|conn| {
            execute(
                conn,
                "INSERT INTO t (n, filler) VALUES (2, zeroblob(1000000))",
            )
        }),
        Box::new(move |conn| {
            seen.fetch_add(1, Ordering::SeqCst);
            insert(conn, 3)
        }),
    ]);
    let texts: Vec<String> = answers
        .into_iter()
        .map(|a| {
            a.unwrap()
                .map_or_else(|error| error.chain(), |()| "stored".to_owned())
        })
        .collect();
    assert_eq!(texts[0], "stored");
    assert!(texts[1].contains("full"), "{}", texts[1]);
    assert_eq!(texts[2], "stored");
    assert_eq!(lane.stored(), (2, 4));
    assert_eq!(
        later.load(Ordering::SeqCst),
        1,
        "the later job ran once, after the dead one"
    );
    assert_eq!(lane.lane.snapshot().broken_groups, 1);
}

#[test]
fn a_job_that_swallows_the_death_of_its_transaction_is_not_acknowledged() {
    let lane = lane_that_fills_up();
    let answer = lane.lane.write("test", BatchSize::ONE, |conn| {
        insert(conn, 1)?;
        drop(execute(
            conn,
            "INSERT INTO t (n, filler) VALUES (2, zeroblob(1000000))",
        ));
        Ok(())
    });
    assert!(answer.is_err());
    assert_eq!(lane.stored(), (0, 0));
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 3))
        .unwrap();
    assert_eq!(lane.stored(), (1, 3));
}

#[test]
fn a_panic_reaches_its_caller_alone_and_costs_the_connection() {
    let lane = lane();
    let answers = lane.as_one_group(vec![
        inserts(1),
        Box::new(|conn| {
            insert(conn, 2)?;
            panic!("on purpose")
        }),
        inserts(3),
    ]);
    let outcomes: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(outcomes, [true, false, true]);
    assert_eq!(lane.stored(), (2, 4));
    assert!(lane.lane.snapshot().replaced_connections >= 1);
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 4))
        .unwrap();
}

#[test]
fn exclusive_work_that_panics_or_leaves_a_transaction_open_costs_the_connection() {
    let lane = lane();
    let begin = "BEGIN; INSERT INTO t (n) VALUES (1)";
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        lane.lane.exclusive(|conn| -> Result<()> {
            execute(conn, begin)?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 2))
        .unwrap();
    let open = |conn: &mut BackendConnection<'_>| {
        crate::on_backend!(conn, |c| begin_nested(c))?;
        insert(conn, 3)
    };
    lane.lane.exclusive(open).unwrap();
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 4))
        .unwrap();
    assert_eq!(lane.stored(), (2, 6));
    assert_eq!(lane.lane.snapshot().replaced_connections, 2);
}

#[test]
fn a_job_that_leaves_a_transaction_open_is_undone() {
    let lane = lane();
    let answer = lane.lane.write("test", BatchSize::ONE, |conn| {
        insert(conn, 1)?;
        crate::on_backend!(conn, |c| begin_nested(c))?;
        Ok(())
    });
    assert!(answer.is_err());
    assert_eq!(lane.stored(), (0, 0));
}

fn begin_nested<C: Connection>(conn: &mut C) -> Result<()> {
    Ok(C::TransactionManager::begin_transaction(conn)?)
}

#[test]
fn closing_commits_what_waits_and_refuses_what_comes() {
    let lane = lane();
    let (release, holder) = lane.hold();
    let writers: Vec<_> = (0..10)
        .map(|n| {
            let lane = Arc::clone(&lane.lane);
            std::thread::spawn(move || {
                lane.write("test", BatchSize::ONE, move |conn| insert(conn, n))
            })
        })
        .collect();
    while lane.lane.snapshot().queued_rows < 10 {
        std::thread::yield_now();
    }
    let closer = {
        let lane = Arc::clone(&lane.lane);
        std::thread::spawn(move || lane.close())
    };
    drop(release);
    holder.join().unwrap();
    closer.join().unwrap();
    for writer in writers {
        writer.join().unwrap().unwrap();
    }
    assert_eq!(lane.stored(), (10, 45));
    let late = lane
        .lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 99));
    assert!(matches!(late, Err(Error::Closed)));
    assert!(matches!(
        lane.lane.exclusive(|_| Ok(())),
        Err(Error::Closed)
    ));
}

#[test]
fn a_write_that_closes_the_lane_is_stored_and_does_not_wait_for_itself() {
    let lane = lane();
    let closing = Arc::clone(&lane.lane);
    let led = lane.lane.write("test", BatchSize::ONE, move |conn| {
        closing.close();
        insert(conn, 1)
    });
    led.unwrap();
    assert_eq!(lane.stored(), (1, 1));
    let late = lane
        .lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 2));
    assert!(matches!(late, Err(Error::Closed)));
}

#[test]
fn the_queue_is_bounded_and_its_callers_wait() {
    let lane = lane();
    let (release, holder) = lane.hold();
    let started = Arc::new(Barrier::new(301));
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..300)
        .map(|n| {
            let (lane, started) = (Arc::clone(&lane.lane), Arc::clone(&started));
            std::thread::spawn(move || {
                started.wait();
                lane.write("test", BatchSize::ONE, move |conn| insert(conn, n))
            })
        })
        .collect();
    started.wait();
    while lane.lane.snapshot().queued_rows < 256 {
        std::thread::yield_now();
    }
    assert!(!done.load(Ordering::SeqCst));
    assert_eq!(lane.lane.snapshot().queued_rows, 256);
    drop(release);
    holder.join().unwrap();
    for writer in writers {
        writer.join().unwrap().unwrap();
    }
    assert_eq!(lane.stored(), (300, 299 * 300 / 2));
}

#[test]
fn a_caller_that_does_not_want_to_wait_is_refused_and_counted() {
    let lane = lane();
    let (release, holder) = lane.hold();
    let sized = |rows, when_full| BatchSize { rows, when_full };
    let waiting: Vec<_> = [200, 1_000]
        .into_iter()
        .map(|rows| {
            let queue = Arc::clone(&lane.lane);
            let size = sized(rows, WhenFull::Wait);
            let n = i64::try_from(rows).unwrap();
            let thread =
                std::thread::spawn(move || queue.write("test", size, move |c| insert(c, n)));
            while rows == 200 && lane.lane.snapshot().queued_rows < 200 {
                std::thread::yield_now();
            }
            thread
        })
        .collect();
    while lane.lane.snapshot().queue_waits < 1 {
        std::thread::yield_now();
    }
    let refused = lane
        .lane
        .write("test", sized(1, WhenFull::Fail), |conn| insert(conn, 1));
    assert!(
        matches!(refused, Err(Error::QueueFull { limit: 256, .. })),
        "{refused:?}"
    );
    assert_eq!(lane.lane.snapshot().queue_refusals, 1);
    drop(release);
    holder.join().unwrap();
    for writer in waiting {
        writer.join().unwrap().unwrap();
    }
    // The refused one left nothing; a batch larger than the whole queue went in, too.
    assert_eq!(lane.stored(), (2, 1_200));
    assert_eq!(lane.lane.snapshot().queued_rows, 0);
}

#[test]
fn a_group_takes_no_further_job_once_it_has_enough_rows() {
    let lane = lane();
    let (release, holder) = lane.hold();
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let lane = Arc::clone(&lane.lane);
            let size = BatchSize {
                rows: 30,
                when_full: WhenFull::Wait,
            };
            std::thread::spawn(move || lane.write("test", size, move |conn| insert(conn, n)))
        })
        .collect();
    while lane.lane.snapshot().queued_rows < 240 {
        std::thread::yield_now();
    }
    drop(release);
    holder.join().unwrap();
    for writer in writers {
        writer.join().unwrap().unwrap();
    }
    // 30 + 30 + 30 + 30 passes 100 with the fourth job.
    assert_eq!(lane.lane.snapshot().group_jobs_max_seen, 4);
    assert_eq!(lane.stored(), (8, 28));
}

#[test]
fn asynchronous_callers_share_the_groups() {
    let lane = lane();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let writes = (0..100).map(|n| {
            let lane = Arc::clone(&lane.lane);
            tokio::spawn(async move {
                lane.write_async("test", BatchSize::ONE, move |conn| insert(conn, n))
                    .await
            })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap().unwrap();
        }
    });
    assert_eq!(lane.stored(), (100, 99 * 100 / 2));
}

#[test]
fn a_group_that_goes_into_a_deleted_file_is_acknowledged_to_nobody() {
    let lane = lane();
    let (path, kept) = (
        lane.dir.path().join("lane.db"),
        lane.dir.path().join("kept"),
    );
    std::fs::hard_link(&path, &kept).unwrap();
    let deleted = path.clone();
    let answers = lane.as_one_group(vec![
        inserts(1),
        Box::new(move |conn| {
            std::fs::remove_file(&deleted).unwrap();
            insert(conn, 2)
        }),
        inserts(3),
    ]);
    for answer in answers {
        let error = answer.unwrap().unwrap_err();
        assert!(matches!(error, Error::FileChanged { .. }), "{error}");
    }
    let alone = lane
        .lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 4));
    assert!(matches!(alone, Err(Error::FileChanged { .. })), "{alone:?}");
    assert_eq!(lane.lane.snapshot().commits, 0);
    std::fs::rename(&kept, &path).unwrap();
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 5))
        .unwrap();
}
