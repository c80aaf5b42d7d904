//! Settings of the HTTP server: where it listens, who may write, what a request may cost.
//!
//! Owns the values, their defaults with reasons, and their limits. Where they come from is in
//! `settings`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::hosts::check_host;
use super::limits::{positive, within};
use super::read::{commas, refused, seconds};
use super::tokens::{NamedToken, Token, TokenRights, in_directory, refuse_twins, tokens};
use crate::error::{Error, Result};

/// The paths, shapes and statuses that the server's address speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiContract {
    /// Those of tickbase, as its OpenAPI document has them.
    #[default]
    Native,
    /// Those of TradeAssist, for its clients: `docs/migrating.md`.
    TradeAssist,
}

/// The HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address to listen on. Default 127.0.0.1:8000: this machine alone, until someone changes
    /// it.
    #[serde(deserialize_with = "bind")]
    pub bind: SocketAddr,
    /// What `bind` speaks: the API of tickbase, or that of a service which it replaces. Default
    /// `native`.
    pub contract: ApiContract,
    /// The address of tickbase's own API when `bind` speaks another contract. Default
    /// 127.0.0.1:8001; without effect while `contract` is `native`.
    #[serde(deserialize_with = "native_bind")]
    pub native_bind: SocketAddr,
    /// Names and addresses that the server is called by, beside `localhost` and the address of
    /// `bind`, like `desk.example`: a request without a token for any other host is refused, as a
    /// page could send it whose own name was made to lead here. With a port (`desk.example:443`)
    /// pages of that port are the server's own, as behind a proxy. Default none.
    #[serde(deserialize_with = "commas")]
    pub hosts: Vec<String>,
    /// A bearer token for writes, named `default`. Without any token, whoever reaches a loopback
    /// address may write, and nobody elsewhere.
    pub token: Option<Token>,
    /// More tokens. Default none.
    #[serde(deserialize_with = "tokens")]
    pub tokens: Vec<NamedToken>,
    /// A directory with a token in each file, named `NAME.read` or `NAME.write`, as Docker and
    /// Kubernetes mount secrets. Default none.
    pub tokens_dir: Option<PathBuf>,
    /// Reads of `/api` need a token, too. Default no.
    pub protect_reads: bool,
    /// Origins whose pages may call the API from a browser, such as `https://desk.example`; `*`
    /// is every origin. Default none.
    #[serde(deserialize_with = "commas")]
    pub cors_origins: Vec<String>,
    /// Bytes of a request's body, unpacked. Default 16 MiB: some 100,000 ticks.
    pub body_bytes_max: usize,
    /// Memory that the bodies of all requests share, unpacked, half of it for the rows that are
    /// read from them. Default 256 MiB: a request waits for it a little, then is answered with
    /// 503. At least four times `body_bytes_max`, so that one body alone always has room.
    pub body_memory_bytes_max: usize,
    /// Time in which a client that sends a body must send 1,024 bytes more, or its end. Default
    /// 10 s: a slow line sends far more, and who sends less waits for nothing good.
    #[serde(rename = "body_idle_timeout_seconds", deserialize_with = "seconds")]
    pub body_idle_timeout: Duration,
    /// Ticks of one request. Default 100,000.
    pub batch_rows_max: usize,
    /// Bytes of a file that `POST /api/import` takes, as they are sent. Default 4 GiB: it is copied
    /// to the directory of temporary files while it comes.
    pub import_bytes_max: u64,
    /// Bytes of such a file, unpacked. Default 64 GiB: text is packed to a tenth or so, hardly ever
    /// to less than a sixteenth.
    pub import_unpacked_bytes_max: u64,
    /// Time after which a request is answered with 503. Default 60 s, above the pool's own
    /// timeout, so that a caller learns what kept it waiting.
    #[serde(rename = "request_timeout_seconds", deserialize_with = "seconds")]
    pub request_timeout: Duration,
    /// Time in which a connection must have sent the head of a request. Default 10 s.
    #[serde(rename = "header_timeout_seconds", deserialize_with = "seconds")]
    pub header_timeout: Duration,
    /// Connections at once; further ones wait until one ends, which takes an idle one
    /// `header_timeout`. Half of the files that the process may open are the limit, too. Default
    /// 4,096: some 200 MB when each sends the largest head that is taken.
    pub connections_max: usize,
    /// Requests that are worked on at once; further ones are answered with 503 at once. Probes,
    /// health and metrics are always answered. Default 256.
    pub concurrency_max: usize,
    /// Tables of `GET /api/ticks` and `GET /api/bars` that are sent whole, and replays of rules, at
    /// once; further ones are answered with 503. A page needs no place. Default 16: a Parquet file takes some 60 MB of memory
    /// while it is made.
    pub streams_max: usize,
    /// Time that requests under way have to end after a signal. Default 30 s.
    #[serde(rename = "shutdown_deadline_seconds", deserialize_with = "seconds")]
    pub shutdown_deadline: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8_000)),
            contract: ApiContract::Native,
            native_bind: SocketAddr::from(([127, 0, 0, 1], 8_001)),
            hosts: Vec::new(),
            token: None,
            tokens: Vec::new(),
            tokens_dir: None,
            protect_reads: false,
            cors_origins: Vec::new(),
            body_bytes_max: 16 * 1_024 * 1_024,
            body_memory_bytes_max: 256 * 1_024 * 1_024,
            body_idle_timeout: Duration::from_secs(10),
            batch_rows_max: 100_000,
            import_bytes_max: 4 << 30,
            import_unpacked_bytes_max: 64 << 30,
            request_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(10),
            connections_max: 4_096,
            concurrency_max: 256,
            streams_max: 16,
            shutdown_deadline: Duration::from_secs(30),
        }
    }
}

impl ServerConfig {
    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        within(
            "server.body_bytes_max",
            self.body_bytes_max,
            1_024..=1 << 30,
        )?;
        let (body, memory) = (self.body_bytes_max as u64, self.body_memory_bytes_max);
        within("server.body_memory_bytes_max", memory, 4 * body..=1 << 40)?;
        within("server.batch_rows_max", self.batch_rows_max, 1..=10_000_000)?;
        let (packed, unpacked) = (self.import_bytes_max, self.import_unpacked_bytes_max);
        within("server.import_bytes_max", packed, 1_024..=1 << 44)?;
        within(
            "server.import_unpacked_bytes_max",
            unpacked,
            1_024..=1 << 48,
        )?;
        within(
            "server.connections_max",
            self.connections_max,
            1..=1_000_000,
        )?;
        within("server.concurrency_max", self.concurrency_max, 1..=100_000)?;
        within("server.streams_max", self.streams_max, 1..=10_000)?;
        self.check_addresses()?;
        positive("server.request_timeout_seconds", self.request_timeout)?;
        positive("server.header_timeout_seconds", self.header_timeout)?;
        positive("server.body_idle_timeout_seconds", self.body_idle_timeout)?;
        positive("server.shutdown_deadline_seconds", self.shutdown_deadline)?;
        self.cors_origins
            .iter()
            .try_for_each(|origin| check_origin(origin))?;
        self.hosts.iter().try_for_each(|host| check_host(host))?;
        refuse_twins(&self.written_tokens()?)?;
        if self.protect_reads && !self.has_tokens() {
            return Err(Error::config(
                "server.protect_reads",
                "there is no token to protect them with",
                "set server.token, server.tokens or server.tokens_dir, too",
            ));
        }
        Ok(())
    }

    /// Two contracts cannot be told apart at one address.
    fn check_addresses(&self) -> Result<()> {
        let is_one = self.bind == self.native_bind && self.bind.port() != 0;
        if self.contract == ApiContract::Native || !is_one {
            return Ok(());
        }
        Err(Error::config(
            "server.native_bind",
            format!("{} is that of server.bind, too", self.bind),
            "give the native API an address of its own, like 127.0.0.1:8001",
        ))
    }

    /// True when the settings name a token, or a place for tokens.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.token.is_some() || !self.tokens.is_empty() || self.tokens_dir.is_some()
    }

    /// All tokens: `token`, which may write and is named `default`, `tokens`, and those of
    /// `tokens_dir`, which is read now.
    ///
    /// # Errors
    /// [`Error::Config`] when the directory or one of its files cannot be read or is no token, when
    /// the directory has none, or when two tokens have the same name or the same secret.
    pub fn read_tokens(&self) -> Result<Vec<NamedToken>> {
        let mut tokens = self.written_tokens()?;
        if let Some(directory) = &self.tokens_dir {
            tokens.extend(in_directory(directory)?);
        }
        refuse_twins(&tokens)?;
        Ok(tokens)
    }

    /// The tokens that stand in the settings themselves.
    fn written_tokens(&self) -> Result<Vec<NamedToken>> {
        let default = self.token.clone();
        let default = default.map(|it| NamedToken::new("default", it, TokenRights::Write));
        let mut tokens = Vec::from_iter(default.transpose()?);
        tokens.extend(self.tokens.iter().cloned());
        Ok(tokens)
    }
}

/// An origin is a scheme and a host, without a path: browsers compare it letter by letter.
fn check_origin(origin: &str) -> Result<()> {
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    let is_host =
        |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if origin == "*" || host.is_some_and(is_host) {
        return Ok(());
    }
    Err(Error::config(
        "server.cors_origins",
        format!("{origin:?} is not an origin"),
        "write scheme and host like https://desk.example, without a slash at the end, or *",
    ))
}

/// The address to listen to.
fn bind<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    address("server.bind", from)
}

/// The address of the native API beside another contract.
fn native_bind<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    address("server.native_bind", from)
}

fn address<'de, D: Deserializer<'de>>(
    setting: &'static str,
    from: D,
) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        refused(Error::config(
            setting,
            format!("{text:?} is not an address with a port"),
            "write it like 127.0.0.1:8000, [::1]:8000 or 0.0.0.0:8000",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_closed_to_the_outside() {
        let config = ServerConfig::default();
        config.validate().unwrap();
        assert!(config.bind.ip().is_loopback());
        assert!(config.cors_origins.is_empty());
    }

    #[test]
    fn each_setting_that_cannot_work_is_named() {
        type Change = fn(&mut ServerConfig);
        let cases: [(&str, Change); 13] = [
            ("server.body_bytes_max", |c| c.body_bytes_max = 0),
            ("server.body_memory_bytes_max", |c| {
                c.body_memory_bytes_max = 4 * c.body_bytes_max - 1
            }),
            ("server.body_idle_timeout", |c| {
                c.body_idle_timeout = Duration::ZERO
            }),
            ("server.import_unpacked_bytes_max", |c| {
                c.import_unpacked_bytes_max = 0
            }),
            ("server.connections_max", |c| c.connections_max = 0),
            ("server.batch_rows_max", |c| c.batch_rows_max = 0),
            ("server.import_bytes_max", |c| c.import_bytes_max = 0),
            ("server.concurrency_max", |c| c.concurrency_max = 0),
            ("server.request_timeout", |c| {
                c.request_timeout = Duration::ZERO
            }),
            ("server.shutdown_deadline", |c| {
                c.shutdown_deadline = Duration::ZERO
            }),
            ("server.cors_origins", |c| {
                c.cors_origins = vec!["desk.example/".to_owned()]
            }),
            ("server.hosts", |c| c.hosts = vec!["*".to_owned()]),
            ("server.protect_reads", |c| c.protect_reads = true),
        ];
        for (name, change) in cases {
            let mut config = ServerConfig::default();
            change(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
            assert!(error.contains("; "), "{error} has no remedy");
        }
    }

    #[test]
    fn origins_are_schemes_and_hosts() {
        for right in ["*", "https://desk.example", "http://localhost:3000"] {
            check_origin(right).unwrap();
        }
        for wrong in [
            "",
            "desk.example",
            "https://",
            "https://desk.example/",
            "ftp://x",
        ] {
            check_origin(wrong).unwrap_err();
        }
    }
}
