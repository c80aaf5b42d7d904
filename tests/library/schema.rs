//! One schema on two backends: the generated files say the same, the databases are what the files
//! say, every migration stands in both folders and can be taken back.

mod before;
mod dump;
mod files;
mod migrations;
mod reverts;
mod runners;

// The generated files once more, to compare their types.
#[allow(unused_imports, unreachable_pub)]
#[path = "../../src/schema_postgres.rs"]
mod schema_postgres;
#[allow(unused_imports, unreachable_pub)]
#[path = "../../src/schema.rs"]
mod schema_sqlite;
