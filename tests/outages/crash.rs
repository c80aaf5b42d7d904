//! Nothing that was acknowledged is lost: processes that are killed, servers that crash, disks that
//! fill up, databases that are closed under load.

#[cfg(feature = "archive")]
mod archiver;
mod child;
mod closing;
mod commits;
#[cfg(all(feature = "sqlite", unix))]
mod files;
#[cfg(feature = "sqlite")]
mod full;
#[cfg(feature = "cli")]
mod http;
mod journal;
mod kills;
mod load;
#[cfg(feature = "postgres")]
mod restarts;
