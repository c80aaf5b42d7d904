//! Reads on replicas: what was written is read, replicas that are late or gone are left out and come back,
//! and nothing that was acknowledged is lost when the primary dies.

mod positions;
mod promotion;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tickbase::database::{Database, FallbackCause, ReplicaState};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};

use super::{DOORS, open, runtime, text_of, tick};
use crate::support::chaos::{report, scaled};
use crate::support::server::Server;
use crate::support::{TestDatabase, eventually};

/// Ticks that are written and read, in the suite and under `scripts/chaos`.
const READ_BACK: (i64, i64) = (1_000, 10_000);

/// A primary, two standbys of it, and a database on them.
struct Cluster {
    primary: Server,
    standbys: [Server; 2],
    place: TestDatabase,
}

impl Cluster {
    fn start() -> Self {
        let primary = Server::start();
        // Its servers sync nothing, but a commit is written before it is acknowledged.
        run(
            &primary,
            "ALTER SYSTEM SET synchronous_commit = 'remote_write'; SELECT pg_reload_conf()",
        );
        let place = TestDatabase::postgres_empty_on(&primary);
        let standbys = [
            Server::start_standby_of(&primary),
            Server::start_standby_of(&primary),
        ];
        Self {
            primary,
            standbys,
            place,
        }
    }

    fn name(&self) -> &str {
        self.place.url().rsplit_once('/').unwrap().1
    }

    fn replica_urls(&self) -> [String; 2] {
        self.standbys
            .each_ref()
            .map(|standby| standby.url(self.name()))
    }

    /// Opened under a URL, and its replicas are read.
    fn open(&self, url: &str) -> Database {
        let urls = self.replica_urls();
        let database = open(url, |config| {
            config.postgres.replica_urls = urls
                .iter()
                .map(|url| tickbase::config::DatabaseUrl::parse(url).unwrap())
                .collect();
        });
        let database = database.unwrap();
        eventually("both replicas are read", || {
            states(&database) == [ReplicaState::Serving; 2]
        });
        database
    }
}

fn run(server: &Server, sql: &str) {
    for statement in sql.split(';') {
        let mut conn = PgConnection::establish(&server.url("postgres")).unwrap();
        conn.batch_execute(statement).unwrap();
    }
}

fn states(database: &Database) -> Vec<ReplicaState> {
    database
        .replicas()
        .replicas
        .iter()
        .map(|of| of.state)
        .collect()
}

fn reads(database: &Database) -> Vec<u64> {
    database
        .replicas()
        .replicas
        .iter()
        .map(|of| of.reads)
        .collect()
}

fn fallbacks(database: &Database) -> u64 {
    database
        .replicas()
        .fallbacks
        .iter()
        .map(|(_, count)| count)
        .sum()
}

/// Stores the n-th tick.
fn store(database: &Database, n: i64) {
    MarketDataRepository::new(database)
        .insert_batch(vec![tick(1, n)], InsertOptions::default())
        .unwrap();
}

const STORED: &str = "SELECT count(*)::text FROM market_data";

/// The ticks that a read by this handle finds.
fn stored(database: &Database) -> i64 {
    let count = database.read("test.count", |conn| text_of(conn, STORED));
    count.unwrap().parse().unwrap()
}

#[test]
fn what_a_process_has_written_is_read_on_its_replicas() {
    let cluster = Cluster::start();
    let database = cluster.open(cluster.place.url());
    let shown = database.on_replicas();
    let runtime = runtime();
    let count = scaled(READ_BACK.0, READ_BACK.1);
    for n in 0..count {
        store(&database, n);
        let door = DOORS[n as usize % 2];
        let found = door.read(&runtime, &shown, |conn| text_of(conn, STORED));
        assert_eq!(found.unwrap(), (n + 1).to_string());
    }
    let (by_replica, others) = (reads(&database), fallbacks(&database));
    assert_eq!(by_replica.iter().sum::<u64>() + others, count as u64);
    assert!(by_replica.iter().all(|reads| *reads > 0), "{by_replica:?}");
    assert!(
        others <= count as u64 / 2,
        "{:?}",
        database.replicas().fallbacks
    );
    // The primary answers whoever does not opt in.
    assert_eq!(stored(&database), count);
    assert_eq!(reads(&database), by_replica);
    report(
        "reads after writes, on two replicas",
        format!("{count} ticks, each read after its acknowledgement"),
        "none",
        format!("each was found; {others} reads went to the primary"),
    );
}

#[test]
fn a_replica_that_is_late_or_gone_is_left_out_and_comes_back() {
    let mut cluster = Cluster::start();
    let database = cluster.open(cluster.place.url());
    let shown = database.on_replicas();
    let mut n = 0;
    // What is written is read, whoever answers.
    let mut write_and_read = || {
        store(&database, n);
        n += 1;
        assert_eq!(stored(&shown), n);
    };
    let [first, second] = &mut cluster.standbys;
    run(first, "SELECT pg_wal_replay_pause()");
    eventually("the first one is late", || {
        write_and_read();
        states(&database)[0] == ReplicaState::Late
    });
    let before = reads(&database);
    eventually("the second one answers", || {
        write_and_read();
        reads(&database)[1] > before[1]
    });
    assert_eq!(reads(&database)[0], before[0], "a late one is not asked");
    second.crash();
    eventually("the primary answers", || {
        write_and_read();
        let fallbacks = database.replicas().fallbacks;
        !fallbacks.contains(&(FallbackCause::NoReplica, 0))
            && states(&database) == [ReplicaState::Late, ReplicaState::Unreachable]
    });
    let reason = database.replicas().replicas[0].reason.clone().unwrap();
    assert!(reason.contains("replica_wait_ms"), "{reason}");
    run(first, "SELECT pg_wal_replay_resume()");
    second.start_again();
    eventually("both are read again", || {
        states(&database) == [ReplicaState::Serving; 2]
    });
    let before = reads(&database);
    eventually("both answer", || {
        write_and_read();
        let mut now = reads(&database).into_iter().zip(&before);
        now.all(|(now, before)| now > *before)
    });
}

#[test]
fn another_database_is_never_read_as_a_replica() {
    let cluster = Cluster::start();
    let other = TestDatabase::postgres_empty_on(&cluster.primary);
    open(other.url(), |_| {}).unwrap();
    let url = tickbase::config::DatabaseUrl::parse(other.url()).unwrap();
    let database = open(cluster.place.url(), |config| {
        config.postgres.replica_urls = vec![url]
    })
    .unwrap();
    eventually("it is known", || {
        states(&database) == [ReplicaState::Foreign]
    });
    store(&database, 0);
    assert_eq!(stored(&database.on_replicas()), 1);
    assert_eq!(reads(&database), [0]);
}
