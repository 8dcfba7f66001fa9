//! `[http]` of the configuration: where the monitor listens for the public, and how much it takes.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serving::address::AddressRange;
use serving::config::{ConfigError, connections, headers, limit, nonzero, positive, span};
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
    /// The bounds of its connections.
    pub bounds: Bounds,
    /// Requests at once, on all connections together.
    pub max_requests: usize,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// Addresses for which that limit does not hold: this machine, and the trusted proxies.
    pub many_connections: Vec<AddressRange>,
    /// From the headers to the answer.
    pub answer_timeout: Duration,
    /// How many requests one client may send, if that is limited.
    pub limit: Option<Limit>,
    /// How the client's address is found behind a proxy.
    pub proxies: Proxies,
}

impl Section {
    /// Checks every value.
    pub fn validate(self) -> Result<Settings, ConfigError> {
        let many_connections = AddressRange::LOOPBACK.into_iter().chain(self.trusted_proxies.iter().copied()).collect();
        let bounds = Bounds {
            connections: connections(self.max_connections)?,
            streams: nonzero("http.max_streams", self.max_streams)?.get(),
            headers: headers(self.max_headers)?,
            header_timeout: span("http.header_timeout", self.header_timeout)?,
            idle_timeout: span("http.idle_timeout", self.idle_timeout)?,
            drain_timeout: span("http.drain_timeout", self.drain_timeout)?,
        };
        Ok(Settings {
            listen: self.listen,
            tls: None,
            bounds,
            max_requests: positive("http.max_requests", self.max_requests)?,
            max_connections_per_client: self.max_connections_per_client,
            many_connections,
            answer_timeout: span("http.answer_timeout", self.answer_timeout)?,
            limit: limit(self.requests_per_second, ("http.requests_burst", self.requests_burst), ("http.addresses", self.addresses))?,
            proxies: Proxies { trusted: self.trusted_proxies, header: self.forwarded_header },
        })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_defaults_make_sense_and_zeros_do_not() {
        assert_eq!(Settings::default().limit.map(|limit| limit.per_second.get()), Some(50));
        let zero = Section { max_requests: 0, ..Section::default() };
        assert!(matches!(zero.validate(), Err(ConfigError::Zero { key: "http.max_requests" })));
        let zero = Section { idle_timeout: Span::seconds(0), ..Section::default() };
        assert!(matches!(zero.validate(), Err(ConfigError::Zero { key: "http.idle_timeout" })));
        let unlimited = Section { requests_per_second: 0, requests_burst: 0, ..Section::default() };
        assert_eq!(unlimited.validate().unwrap().limit, None);
        let large = Section { max_headers: ByteSize::mebibytes(2), ..Section::default() };
        assert!(matches!(large.validate(), Err(ConfigError::TooLarge { key: "http.max_headers", .. })));
    }
}
