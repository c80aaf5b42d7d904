//! The databases of the bench, and the statements that a user of tickbase does not make.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::testing::TemporaryDatabase;

use crate::server::Server;

/// Before the stamp of any tick, so that what is left of a division is never negative.
const BEFORE_ALL_MICROS: i64 = 1_600_000_000_000_000;
const PRIME: i64 = 1_000_003;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    /// PostgreSQL whose table has twelve partitions by time and the one before them.
    Partitioned,
}

impl Engine {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Partitioned => "PostgreSQL, 12 partitions",
        }
    }
}

/// A server that keeps as much as SQLite does in WAL mode with synchronous NORMAL: a commit does not
/// wait for the disk, what a checkpoint wrote is synced. Autovacuum does not come in between.
pub(crate) fn server() -> Server {
    let mut server = Server::start_durable();
    let mut conn = PgConnection::establish(&server.url("postgres")).unwrap();
    for setting in [
        "synchronous_commit = off",
        "shared_buffers = '1GB'",
        "max_wal_size = '4GB'",
        "autovacuum = off",
    ] {
        // Not in one text: that would be a transaction, which ALTER SYSTEM refuses.
        let set = format!("ALTER SYSTEM SET {setting}");
        conn.batch_execute(&set).unwrap();
    }
    drop(conn);
    server.stop();
    server.start_again();
    server
}

/// A migrated database with so many instruments, closed; it is removed at the end.
pub(crate) struct ScaleStore {
    pub(crate) engine: Engine,
    place: TemporaryDatabase,
}

impl ScaleStore {
    pub(crate) fn new(engine: Engine, server: &Server, instruments: i64) -> Self {
        let place = match engine {
            Engine::Sqlite => TemporaryDatabase::sqlite(),
            _ => TemporaryDatabase::postgres(&server.url("postgres")),
        };
        let store = Self {
            engine,
            place: place.unwrap(),
        };
        store.place.close();
        let columns = "instruments (id, symbol, name, instrument_type, created_at, updated_at)";
        store.execute(&match engine {
            Engine::Sqlite => format!(
                "WITH RECURSIVE more (id) AS \
                 (SELECT 13 UNION ALL SELECT id + 1 FROM more WHERE id <= {instruments}) \
                 INSERT INTO {columns} SELECT id, 'SCALE' || id, 'bench', 'equity', 0, 0 \
                 FROM more WHERE id <= {instruments}"
            ),
            _ => format!(
                "INSERT INTO {columns} SELECT id, 'SCALE' || id, 'bench', 'equity', now(), now() \
                 FROM generate_series(13, {instruments}) AS id; ANALYZE instruments, instrument_state"
            ),
        });
        store
    }

    /// No statement is cancelled for its length.
    pub(crate) fn open(&self) -> Database {
        let config = DatabaseConfig::new(self.place.url())
            .unwrap()
            .with(|config| config.postgres.statement_timeout = Duration::ZERO);
        Database::open(config).unwrap()
    }

    /// Runs SQL past tickbase; on SQLite nothing of it is synced before [`settle`](Self::settle).
    pub(crate) fn execute(&self, sql: &str) {
        if self.engine == Engine::Sqlite {
            let mut conn = self.sqlite();
            conn.batch_execute(sql).unwrap();
        } else {
            self.postgres().batch_execute(sql).unwrap();
        }
    }

    fn sqlite(&self) -> SqliteConnection {
        let mut conn = SqliteConnection::establish(self.place.url()).unwrap();
        conn.batch_execute(
            "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -262144",
        )
        .unwrap();
        conn
    }

    fn postgres(&self) -> PgConnection {
        PgConnection::establish(self.place.url()).unwrap()
    }

    /// What the hours after a load do: statistics, and everything on the disk.
    pub(crate) fn settle(&self) {
        if self.engine == Engine::Sqlite {
            self.execute("PRAGMA analysis_limit = 1000; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)");
            let file = std::fs::File::open(self.place.url()).unwrap();
            file.sync_all().unwrap();
        } else {
            self.execute("VACUUM (ANALYZE) market_data");
            self.execute("CHECKPOINT");
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        let micros = match self.engine {
            Engine::Sqlite => "\"timestamp\"".to_owned(),
            _ => "round(date_part('epoch', \"timestamp\") * 1000000)::bigint".to_owned(),
        };
        let sql = format!(
            "SELECT count(*) AS rows, CAST(sum(instrument_id) AS BIGINT) AS instruments, \
             CAST(sum(sequence) AS BIGINT) AS sequences, \
             CAST(sum(({micros} - {BEFORE_ALL_MICROS}) % {PRIME}) AS BIGINT) AS micros, \
             CAST(sum(round(price * 100)) AS BIGINT) AS cents FROM market_data"
        );
        let query = diesel::sql_query(sql);
        match self.engine {
            Engine::Sqlite => query.get_result(&mut self.sqlite()).unwrap(),
            _ => query.get_result(&mut self.postgres()).unwrap(),
        }
    }

    /// Bytes of the ticks with their indexes; on SQLite of the file, in which they are nearly all.
    pub(crate) fn bytes(&self) -> u64 {
        if self.engine == Engine::Sqlite {
            return std::fs::metadata(self.place.url()).unwrap().len();
        }
        let size = diesel::dsl::sql::<BigInt>(
            "(SELECT coalesce(sum(pg_total_relation_size(relid))::bigint, \
             pg_total_relation_size('market_data')) FROM pg_partition_tree('market_data'))",
        );
        let bytes: i64 = diesel::select(size)
            .get_result(&mut self.postgres())
            .unwrap();
        bytes.unsigned_abs()
    }

    /// Bytes that can still be written where the database is.
    pub(crate) fn free(&self, server: &Server) -> u64 {
        let place = match self.engine {
            Engine::Sqlite => Path::new(self.place.url()),
            _ => server.directory(),
        };
        let disk = rustix::fs::statvfs(place).unwrap();
        disk.f_bavail * disk.f_frsize
    }
}

/// What is stored, in numbers that have no rounding.
#[derive(Debug, Default, PartialEq, Clone, Copy, QueryableByName)]
pub(crate) struct Totals {
    #[diesel(sql_type = BigInt)]
    pub(crate) rows: i64,
    #[diesel(sql_type = BigInt)]
    instruments: i64,
    #[diesel(sql_type = BigInt)]
    sequences: i64,
    #[diesel(sql_type = BigInt)]
    micros: i64,
    #[diesel(sql_type = BigInt)]
    cents: i64,
}

impl Totals {
    pub(crate) fn add(&mut self, tick: &Tick) {
        let micros = tick.timestamp().micros();
        let (sequence, price) = (tick.sequence().unwrap(), tick.price().unwrap());
        self.add_values(tick.instrument_id(), micros, sequence, price);
    }

    pub(crate) fn add_values(&mut self, instrument: i64, micros: i64, sequence: i64, price: f64) {
        self.rows += 1;
        self.instruments += instrument;
        self.sequences += sequence;
        self.micros += (micros - BEFORE_ALL_MICROS) % PRIME;
        self.cents += (price * 100.0).round() as i64;
    }
}
