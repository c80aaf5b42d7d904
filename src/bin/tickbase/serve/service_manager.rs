//! What the service manager (systemd, or who speaks its protocol) is told of the process: that it
//! is ready, that it lives, that it ends. Without one nothing happens.

use std::convert::Infallible;
use std::net::SocketAddr;

#[cfg(unix)]
use sd_notify::NotifyState;

/// Requests are welcome: a unit of `Type=notify` is started now, and what comes after it may start.
pub(super) fn ready(address: SocketAddr) {
    #[cfg(unix)]
    tell(&[
        NotifyState::Ready,
        NotifyState::Status(&format!("listening on http://{address}")),
    ]);
    #[cfg(not(unix))]
    let _ = address;
}

/// The process ends by itself.
pub(super) fn stopping() {
    #[cfg(unix)]
    tell(&[NotifyState::Stopping]);
}

/// Says that the process lives, twice in the time that `WatchdogSec=` allows: a runtime that hangs
/// says nothing, and is started again. It does not look at the database: a restart mends none.
pub(super) async fn live() -> Infallible {
    #[cfg(unix)]
    if let Some(limit) = sd_notify::watchdog_enabled() {
        let mut pause = tokio::time::interval(limit / 2);
        loop {
            pause.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    }
    std::future::pending().await
}

#[cfg(unix)]
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
