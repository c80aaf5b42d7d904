//! Databases on a PostgreSQL server, each a copy of a template that is migrated once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// The advisory lock under which the processes that share a server make the template.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A database of one test; dropped with it.
pub struct Copy {
    admin_url: String,
    name: String,
    url: String,
}

impl Copy {
    /// A copy of the migrated template.
    pub fn of_migrated(admin_url: &str) -> Self {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        Self::create(
            admin_url,
            TEMPLATE.get_or_init(|| migrated_template(admin_url)),
        )
    }

    /// A copy of the migrated template, whatever the suite is told of partitions.
    pub fn of_plain(admin_url: &str) -> Self {
        let template = template(admin_url, &super::migrations("postgres"));
        Self::create(admin_url, &template)
    }

    /// A database with nothing in it.
    pub fn of_empty(admin_url: &str) -> Self {
        Self::create(admin_url, "template0")
    }

    fn create(admin_url: &str, template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut admin = connect(admin_url);
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .unwrap();
        Self {
            admin_url: admin_url.to_owned(),
            url: with_database(admin_url, &name),
            name,
        }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A test that took the server away has nothing left to drop.
        if let Ok(mut admin) = PgConnection::establish(&self.admin_url) {
            admin.batch_execute(&sql).ok();
        }
    }
}

/// The name of the template, which is made unless another process has made it.
fn migrated_template(admin_url: &str) -> String {
    let mut sql = super::migrations("postgres");
    // The whole suite runs on a table of ticks in partitions, too, when it is told to.
    if std::env::var_os("TICKBASE_TEST_PARTITIONS").is_some() {
        sql.push_str(&partitions());
    }
    template(admin_url, &sql)
}

/// The name of the template that this SQL makes.
fn template(admin_url: &str, sql: &str) -> String {
    let mut hasher = DefaultHasher::new();
    sql.hash(&mut hasher);
    let name = format!("tickbase_template_{:016x}", hasher.finish());
    let mut admin = connect(admin_url);
    admin
        .batch_execute(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})"))
        .unwrap();
    if !exists(&mut admin, &name) {
        let draft = format!("{name}_draft");
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"))
            .and_then(|()| admin.batch_execute(&format!("CREATE DATABASE {draft}")))
            .unwrap();
        connect(&with_database(admin_url, &draft))
            .batch_execute(sql)
            .unwrap();
        admin
            .batch_execute(&format!("ALTER DATABASE {draft} RENAME TO {name}"))
            .unwrap();
    }
    name
}

/// Partitions with bounds among the ticks of the tests, made as a user makes them.
fn partitions() -> String {
    let mut sql = super::partition_script();
    sql.push_str(
        "ALTER TABLE market_data DETACH PARTITION market_data_before; DROP TABLE market_data_before;",
    );
    let bounds = [
        "1970-02-15",
        "2013-09-03 10:30",
        "2013-09-20",
        "2023-11-14 22:20",
    ];
    let from = ["MINVALUE".to_owned()]
        .into_iter()
        .chain(bounds.map(|at| format!("'{at}+00'")));
    let to = bounds
        .map(|at| format!("'{at}+00'"))
        .into_iter()
        .chain(["MAXVALUE".to_owned()]);
    for (place, (from, to)) in from.zip(to).enumerate() {
        sql.push_str(&format!(
            "CREATE TABLE market_data_{place} PARTITION OF market_data FOR VALUES FROM ({from}) TO ({to}); \
             SELECT tickbase_guard_partition('market_data_{place}');"
        ));
    }
    sql
}

fn exists(admin: &mut PgConnection, database: &str) -> bool {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        found: bool,
    }
    diesel::sql_query("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1) AS found")
        .bind::<diesel::sql_types::Text, _>(database)
        .get_result::<Found>(admin)
        .unwrap()
        .found
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// The URL of another database of the same server.
fn with_database(url: &str, database: &str) -> String {
    let (server, options) = url
        .split_once('?')
        .map_or((url, None), |(s, o)| (s, Some(o)));
    let server = server.rsplit_once('/').map_or(server, |(server, _)| server);
    match options {
        Some(options) => format!("{server}/{database}?{options}"),
        None => format!("{server}/{database}"),
    }
}
