//! The database: doors, pools, the write lane, migrations.

mod connection;

pub use connection::{Backend, BackendConnection};
