//! Hosts as browsers write them: in the header `host`, in an origin, and in `server.hosts`.
//!
//! Owns their one form, in which they are compared. Which of them are the server's own is decided
//! by `api`.

use std::net::{IpAddr, Ipv6Addr};

use crate::error::{Error, Result};

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// In lower case, without the dot that may end it.
    Name(String),
    /// IPv4 as such, however it is wrapped.
    Address(IpAddr),
}

/// A host, with the port if one is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Reads `desk.example`, `127.0.0.1:8000` or `[::1]:8000`; nothing for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, rest) = inner.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                (Host::Address(IpAddr::V6(address).to_canonical()), rest)
            }
            None => {
                let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (Host::parse(host)?, rest)
            }
        };
        let port = match rest {
            // RFC 3986 allows a colon without a port.
            "" | ":" => None,
            _ => Some(port(rest.strip_prefix(':')?)?),
        };
        Some(Self { host, port })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !name.is_empty() && name.bytes().all(fits);
        is_name.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

/// Digits alone: Rust's own parser takes a sign, too.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Refuses an entry of `server.hosts` that is no host.
pub(super) fn check_host(entry: &str) -> Result<()> {
    if Authority::parse(entry).is_some() {
        return Ok(());
    }
    Err(Error::config(
        "server.hosts",
        format!("{entry:?} is not a host"),
        "write a name or an address like desk.example, 192.168.1.7 or [fd00::7], with a port where \
         pages come from another than the server's, as desk.example:443 behind a proxy",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(Host, Option<u16>)> {
        Authority::parse(text).map(|it| (it.host, it.port))
    }

    #[test]
    fn a_host_has_one_form_however_it_is_written() {
        let desk = Host::Name("desk.example".to_owned());
        for text in [
            "desk.example",
            "DESK.example",
            "desk.example.",
            "Desk.Example.:",
        ] {
            assert_eq!(parsed(text), Some((desk.clone(), None)), "{text}");
        }
        assert_eq!(parsed("desk.example:443"), Some((desk, Some(443))));
        let loopback = Host::Address("127.0.0.1".parse().unwrap());
        for text in [
            "127.0.0.1:8000",
            "[::ffff:127.0.0.1]:8000",
            "[::ffff:7f00:1]:8000",
        ] {
            assert_eq!(parsed(text), Some((loopback.clone(), Some(8000))), "{text}");
        }
        let six = Host::Address("fd00::7".parse().unwrap());
        assert_eq!(parsed("[FD00:0::7]"), Some((six, None)));
    }

    #[test]
    fn what_is_no_host_is_none() {
        for text in [
            "",
            ".",
            ":80",
            "a b",
            "a/b",
            "user@desk.example",
            "http://desk.example",
            "desk.example:+80",
            "desk.example:65536",
            "desk.example:80:80",
            "::1",
            "[::1",
            "[::1]80",
            "[127.0.0.1]",
            "[fe80::1%eth0]",
            "déesk.example",
            "*",
        ] {
            assert_eq!(parsed(text), None, "{text}");
            let error = check_host(text).unwrap_err().to_string();
            assert!(error.starts_with("server.hosts: "), "{error}");
        }
    }
}
