//! Hosts that the server is called by, and origins of its own pages.

use std::net::SocketAddr;

use crate::config::{Authority, Host, ServerConfig};

/// Hosts that the server is called by, and origins of its own pages.
pub(super) struct OwnHosts {
    /// Of `server.hosts`.
    listed: Vec<Authority>,
    /// Of `server.cors_origins`.
    pub(super) origins: Vec<String>,
}

impl OwnHosts {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let listed = config.hosts.iter();
        Self {
            // An entry that is no host is refused with the settings.
            listed: listed.filter_map(|entry| Authority::parse(entry)).collect(),
            origins: config.cors_origins.clone(),
        }
    }

    /// True when the server, which listens to `bind`, is called by this host. The port is not asked
    /// for: it is that of a tunnel or a proxy as often as not, and who makes a name lead elsewhere
    /// chooses the port, too. An address leads nowhere else, so that any is right where all are
    /// listened to.
    pub(super) fn is_own(&self, host: &Host, bind: SocketAddr) -> bool {
        let bind = bind.ip().to_canonical();
        let is_listed = || self.listed.iter().any(|own| own.host == *host);
        match host {
            Host::Name(name) => name == "localhost" || is_listed(),
            Host::Address(address) => bind.is_unspecified() || *address == bind || is_listed(),
        }
    }

    /// True when pages of this origin may do what the server's own may.
    pub(super) fn is_welcome(&self, origin: &str, called: &[Authority], bind: SocketAddr) -> bool {
        let is_named = |named: &String| named == "*" || named == origin;
        self.origins.iter().any(is_named) || self.is_own_origin(origin, called, bind)
    }

    /// True when an origin is the server's own: a host of its own with its own port, or with the
    /// one that `server.hosts` has for it.
    pub(super) fn is_own_origin(
        &self,
        origin: &str,
        called: &[Authority],
        bind: SocketAddr,
    ) -> bool {
        let https = origin.strip_prefix("https://").map(|rest| (rest, 443));
        let http = || origin.strip_prefix("http://").map(|rest| (rest, 80));
        let Some((authority, port)) = https.or_else(http) else {
            return false;
        };
        let Some(Authority {
            host,
            port: written,
        }) = Authority::parse(authority)
        else {
            return false;
        };
        let port = written.unwrap_or(port);
        if self.listed.contains(&Authority {
            host: host.clone(),
            port: Some(port),
        }) {
            return true;
        }
        // Where all addresses are listened to, which of them are the server's is not known: a page
        // of an address is its own if it calls the server by the very same.
        let is_foreign = matches!(host, Host::Address(_))
            && bind.ip().is_unspecified()
            && !called.iter().any(|own| own.host == host);
        port == bind.port() && !is_foreign && self.is_own(&host, bind)
    }
}
