//! The configuration file as it is written: sections, keys, and their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serving::address::AddressRange;
use serving::messages::MessagesSection;
use serving::proxy::ForwardedHeader;
use serving::tls::TlsSection;
use serving::units::{ByteSize, Span};

/// The configuration file as it is written. Each key has a default, so the empty file is a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// The witness itself.
    pub witness: WitnessSection,
    /// The listener for everybody.
    pub http: HttpSection,
    /// The certificate, for a server without a proxy before it.
    pub tls: TlsSection,
    /// The listener for whoever runs the witness.
    pub ops: OpsSection,
    /// The bastion that passes requests on.
    pub bastion: BastionSection,
    /// How much one log and one client may ask for.
    pub limits: LimitsSection,
    /// What is kept of logs that contradict themselves.
    pub evidence: EvidenceSection,
    /// The store's memory.
    pub store: StoreSection,
    /// The server's own messages.
    pub messages: MessagesSection,
}

/// `[witness]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WitnessSection {
    /// Policy files, and directories of them, besides those in the data directory.
    pub policies: Vec<PathBuf>,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSection {
    /// Address and port.
    pub listen: SocketAddr,
    /// Connections at once.
    pub max_connections: u32,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of headers of a request.
    pub max_headers: ByteSize,
    /// Memory for bodies that are still arriving, of all requests together.
    pub body_memory: ByteSize,
    /// Requests at once, on all connections together.
    pub max_requests: u32,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// From connecting to the end of the first request's headers, and of the headers of each later one.
    pub header_timeout: Span,
    /// From the headers to the end of the body.
    pub body_timeout: Span,
    /// From the end of the body to the answer.
    pub answer_timeout: Span,
    /// Without a request on an open connection.
    pub idle_timeout: Span,
    /// From SIGTERM to the end of the last request.
    pub drain_timeout: Span,
}

/// `[ops]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsSection {
    /// Address and port; empty: no such listener.
    pub listen: String,
}

/// `[bastion]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BastionSection {
    /// HOST:PORT; empty: none.
    pub address: String,
    /// PEM file with certificate authorities to believe besides the web's.
    pub authority: PathBuf,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Checkpoints per second of one log over time; 0: no limit.
    pub checkpoints_per_second: u32,
    /// Checkpoints of one log at once.
    pub checkpoints_burst: u32,
    /// Requests per second of one client address over time; 0: no limit.
    pub requests_per_second: u32,
    /// Requests that it may send at once.
    pub requests_burst: u32,
    /// Addresses that are remembered.
    pub addresses: u32,
    /// Memory for requests that have been read and are not answered yet.
    pub pending: ByteSize,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<AddressRange>,
    /// The header in which they say it.
    pub forwarded_header: ForwardedHeader,
}

/// `[evidence]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceSection {
    /// Files for one log.
    pub max_files: u32,
    /// Their bytes.
    pub max_bytes: ByteSize,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// What is read often.
    pub cache: ByteSize,
    /// What was written lately.
    pub write_buffer: ByteSize,
}

impl Default for HttpSection {
    fn default() -> Self {
        HttpSection {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            max_connections: 4096,
            max_streams: 128,
            max_headers: ByteSize(16 << 10),
            body_memory: ByteSize::mebibytes(32),
            max_requests: 8192,
            max_connections_per_client: 256,
            header_timeout: Span::seconds(10),
            body_timeout: Span::seconds(10),
            answer_timeout: Span::seconds(30),
            idle_timeout: Span::seconds(75),
            drain_timeout: Span::seconds(30),
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        LimitsSection {
            checkpoints_per_second: 1000,
            checkpoints_burst: 2000,
            requests_per_second: 0,
            requests_burst: 1000,
            addresses: 65_536,
            pending: ByteSize::mebibytes(48),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
        }
    }
}

impl Default for EvidenceSection {
    fn default() -> Self {
        EvidenceSection { max_files: 32, max_bytes: ByteSize::mebibytes(4) }
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        StoreSection { cache: ByteSize::mebibytes(32), write_buffer: ByteSize::mebibytes(32) }
    }
}
