//! `[http]` of the configuration: where the monitor listens for the public, and how much it takes.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serving::address::AddressRange;
use serving::limits::Limit;
use serving::listener::Bounds;
use serving::proxy::{ForwardedHeader, Proxies};
use serving::tls::TlsFiles;
use serving::units::{ByteSize, Span};

/// `[http]`, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Address and port.
    pub listen: SocketAddr,
    /// Connections at once.
    pub max_connections: u32,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of headers of a request.
    pub max_headers: ByteSize,
    /// Requests at once, on all connections together.
    pub max_requests: u32,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// Clients that follow `/events` at once.
    pub max_followers: u32,
    /// From connecting to the end of the first request's headers, and of the headers of each later one.
    pub header_timeout: Span,
    /// From the headers to the answer.
    pub answer_timeout: Span,
    /// Without a request on an open connection.
    pub idle_timeout: Span,
    /// From SIGTERM to the end of the last request.
    pub drain_timeout: Span,
    /// Requests per second of one client address over time; 0: no limit.
    pub requests_per_second: u32,
    /// Requests that it may send at once.
    pub requests_burst: u32,
    /// Addresses that are remembered.
    pub addresses: u32,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<AddressRange>,
    /// The header in which they say it.
    pub forwarded_header: ForwardedHeader,
}

/// The public listener, with values that make sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate and key: those of `[tls]`, which is a section of its own.
    pub tls: Option<TlsFiles>,
    /// Connections at once.
    pub max_connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of headers of a request.
    pub max_headers: u32,
    /// Requests at once, on all connections together.
    pub max_requests: usize,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// Addresses for which that limit does not hold: this machine, and the trusted proxies.
    pub many_connections: Vec<AddressRange>,
    /// Clients that follow `/events` at once.
    pub max_followers: usize,
    /// From connecting to the end of the first request's headers, and of the headers of each later one.
    pub header_timeout: Duration,
    /// From the headers to the answer.
    pub answer_timeout: Duration,
    /// Without a request on an open connection.
    pub idle_timeout: Duration,
    /// From the order to stop to the end of the last request.
    pub drain_timeout: Duration,
    /// How many requests one client may send, if that is limited.
    pub limit: Option<Limit>,
    /// How the client's address is found behind a proxy.
    pub proxies: Proxies,
}

/// `[http]` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number that has to be more than zero.
    #[error("`http.{key}` is 0, which would stop the monitor from answering; write a value above 0 or remove the line for the default")]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// A number beyond what it may be.
    #[error("`http.{key}` is too large; write at most {most}")]
    TooLarge {
        /// The key.
        key: &'static str,
        /// The largest value.
        most: u64,
    },
}

/// No more connections than this: each takes a file descriptor and a few kilobytes.
const MAX_CONNECTIONS: u32 = 1_000_000;

/// Memory of the limiter: 20 bytes an address.
const MAX_ADDRESSES: u32 = 16_777_216;

/// Large enough for every real client, small enough that thousands of connections fit into memory.
const MAX_HEADERS: u64 = 1 << 20;

/// hyper's smallest buffer.
const MIN_HEADERS: u64 = 8192;

impl Section {
    /// Checks every value.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        at_most("max_connections", self.max_connections.into(), MAX_CONNECTIONS.into())?;
        at_most("max_followers", self.max_followers.into(), MAX_CONNECTIONS.into())?;
        at_most("max_headers", self.max_headers.0, MAX_HEADERS)?;
        let limit = self.limit()?;
        let many_connections = AddressRange::LOOPBACK.into_iter().chain(self.trusted_proxies.iter().copied()).collect();
        Ok(Settings {
            listen: self.listen,
            tls: None,
            max_connections: positive("max_connections", self.max_connections)?,
            max_streams: nonzero("max_streams", self.max_streams)?.get(),
            max_headers: u32::try_from(self.max_headers.0.max(MIN_HEADERS)).expect("at most MAX_HEADERS"),
            max_requests: positive("max_requests", self.max_requests)?,
            max_connections_per_client: self.max_connections_per_client,
            many_connections,
            max_followers: usize::try_from(self.max_followers).unwrap_or(usize::MAX),
            header_timeout: span("header_timeout", self.header_timeout)?,
            answer_timeout: span("answer_timeout", self.answer_timeout)?,
            idle_timeout: span("idle_timeout", self.idle_timeout)?,
            drain_timeout: span("drain_timeout", self.drain_timeout)?,
            limit,
            proxies: Proxies { trusted: self.trusted_proxies, header: self.forwarded_header },
        })
    }

    fn limit(&self) -> Result<Option<Limit>, SettingsError> {
        let Some(per_second) = NonZeroU32::new(self.requests_per_second) else {
            return Ok(None);
        };
        at_most("addresses", self.addresses.into(), MAX_ADDRESSES.into())?;
        let (burst, addresses) = (nonzero("requests_burst", self.requests_burst)?, nonzero("addresses", self.addresses)?);
        Ok(Some(Limit { per_second, burst, addresses }))
    }
}

impl Default for Section {
    fn default() -> Self {
        Section {
            listen: SocketAddr::from(([127, 0, 0, 1], 8082)),
            max_connections: 4096,
            max_streams: 64,
            max_headers: ByteSize(16 << 10),
            max_requests: 1024,
            max_connections_per_client: 64,
            max_followers: 256,
            header_timeout: Span::seconds(10),
            answer_timeout: Span::seconds(30),
            idle_timeout: Span::seconds(75),
            drain_timeout: Span::seconds(10),
            requests_per_second: 50,
            requests_burst: 500,
            addresses: 65_536,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Section::default().validate().expect("a test validates the defaults")
    }
}

impl Settings {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            connections: self.max_connections,
            streams: self.max_streams,
            headers: self.max_headers,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
            drain_timeout: self.drain_timeout,
        }
    }
}

fn nonzero(key: &'static str, value: u32) -> Result<NonZeroU32, SettingsError> {
    NonZeroU32::new(value).ok_or(SettingsError::Zero { key })
}

fn positive(key: &'static str, value: u32) -> Result<usize, SettingsError> {
    Ok(usize::try_from(nonzero(key, value)?.get()).unwrap_or(usize::MAX))
}

fn span(key: &'static str, value: Span) -> Result<Duration, SettingsError> {
    if value.0.is_zero() { Err(SettingsError::Zero { key }) } else { Ok(value.0) }
}

fn at_most(key: &'static str, value: u64, most: u64) -> Result<(), SettingsError> {
    if value > most { Err(SettingsError::TooLarge { key, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_zeros_do_not() {
        assert_eq!(Settings::default().limit.map(|limit| limit.per_second.get()), Some(50));
        let zero = Section { max_requests: 0, ..Section::default() };
        assert_eq!(zero.validate(), Err(SettingsError::Zero { key: "max_requests" }));
        let zero = Section { idle_timeout: Span::seconds(0), ..Section::default() };
        assert_eq!(zero.validate(), Err(SettingsError::Zero { key: "idle_timeout" }));
        let unlimited = Section { requests_per_second: 0, requests_burst: 0, ..Section::default() };
        assert_eq!(unlimited.validate().map(|settings| settings.limit), Ok(None));
        let large = Section { max_headers: ByteSize::mebibytes(2), ..Section::default() };
        assert!(matches!(large.validate(), Err(SettingsError::TooLarge { key: "max_headers", .. })));
    }
}
