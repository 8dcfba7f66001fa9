//! The configuration file as it is written: sections, keys, and their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    /// The listener for everybody.
    pub http: HttpSection,
    /// The certificate, for a server without a proxy before it.
    pub tls: TlsSection,
    /// The listener for whoever runs the log.
    pub ops: OpsSection,
    /// What waits to be written.
    pub queue: QueueSection,
    /// How much one client may add.
    pub limits: LimitsSection,
    /// How much an issuer may publish.
    pub admission: AdmissionSection,
    /// Memory for what is read often.
    pub cache: CacheSection,
    /// The store's memory.
    pub store: StoreSection,
    /// The log itself.
    pub log: LogSection,
    /// How the policy's witnesses are asked.
    pub witnesses: WitnessesSection,
    /// The server's own messages.
    pub messages: MessagesSection,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSection {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where the world finds this log, for the human page; empty: taken from the request.
    pub public_url: String,
    /// Connections at once.
    pub max_connections: u32,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of headers of a request.
    pub max_headers: ByteSize,
    /// Memory for bodies that are still arriving, of all requests together.
    pub body_memory: ByteSize,
    /// Memory for answers that clients have not taken yet, of all requests together.
    pub answer_memory: ByteSize,
    /// Requests at once, on all connections together.
    pub max_requests: u32,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// From connecting to the end of the first request's headers, and of the headers of each later one.
    pub header_timeout: Span,
    /// From the headers to the end of the body.
    pub body_timeout: Span,
    /// Without a request on an open connection.
    pub idle_timeout: Span,
    /// From a complete `POST /add` to its answer.
    pub add_timeout: Span,
    /// How long a request for a receipt waits for a published head.
    pub receipt_timeout: Span,
    /// From SIGTERM to the end of the last request.
    pub drain_timeout: Span,
}

/// `[ops]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsSection {
    /// Address and port; empty: no such listener.
    pub listen: String,
    /// How long entries may be durable without a published head that covers them before `/readyz` says no.
    pub max_head_age: Span,
}

/// `[queue]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSection {
    /// Entries that may wait.
    pub max_entries: u32,
    /// Their bytes.
    pub max_bytes: ByteSize,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Entries per second of one client address over time; 0: no limit.
    pub adds_per_second: u32,
    /// Entries that it may add at once.
    pub burst: u32,
    /// Addresses that are remembered.
    pub addresses: u32,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<AddressRange>,
    /// The header in which they say it.
    pub forwarded_header: ForwardedHeader,
}

/// `[admission]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdmissionSection {
    /// Decisions and annotations of one issuer in one day (UTC); 0: no limit.
    pub entries_per_issuer_per_day: u64,
    /// Their bytes; 0: no limit.
    pub bytes_per_issuer_per_day: ByteSize,
}

/// `[cache]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSection {
    /// Full tiles and full bundles of entries.
    pub assembled: ByteSize,
    /// Compressed forms of full bundles.
    pub compressed: ByteSize,
    /// Rows of the ledger.
    pub ledger: ByteSize,
    /// What others may cache the head for.
    pub checkpoint_max_age: Span,
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

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// The policy file; empty: `policy` in the data directory.
    pub policy: PathBuf,
    /// Free space on the disk below which no entries are taken in.
    pub min_free_disk: ByteSize,
}

/// `[witnesses]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WitnessesSection {
    /// From one request of a witness to the next, at least; 0: none.
    pub min_interval: Span,
    /// How long a witness may take to cosign a head.
    pub deadline: Span,
    /// Entries that may be stored without a published head that covers them.
    pub max_backlog: u64,
    /// PEM file of further certificate authorities; empty: the web's alone.
    pub authorities: PathBuf,
}

impl Default for HttpSection {
    fn default() -> Self {
        HttpSection {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            max_connections: 4096,
            max_streams: 128,
            max_headers: ByteSize(16 << 10),
            body_memory: ByteSize::mebibytes(128),
            answer_memory: ByteSize::mebibytes(256),
            max_requests: 8192,
            max_connections_per_client: 256,
            header_timeout: Span::seconds(10),
            body_timeout: Span::seconds(20),
            idle_timeout: Span::seconds(75),
            add_timeout: Span::seconds(30),
            receipt_timeout: Span::seconds(10),
            drain_timeout: Span::seconds(30),
        }
    }
}

impl Default for OpsSection {
    fn default() -> Self {
        OpsSection { listen: String::new(), max_head_age: Span::seconds(60) }
    }
}

impl Default for QueueSection {
    fn default() -> Self {
        QueueSection { max_entries: 65_536, max_bytes: ByteSize::mebibytes(64) }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        LimitsSection {
            adds_per_second: 0,
            burst: 1000,
            addresses: 65_536,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
        }
    }
}

impl Default for AdmissionSection {
    fn default() -> Self {
        AdmissionSection { entries_per_issuer_per_day: 1_000_000, bytes_per_issuer_per_day: ByteSize::mebibytes(4096) }
    }
}

impl Default for CacheSection {
    fn default() -> Self {
        CacheSection {
            assembled: ByteSize::mebibytes(64),
            compressed: ByteSize::mebibytes(32),
            ledger: ByteSize::mebibytes(32),
            checkpoint_max_age: Span::seconds(1),
        }
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        StoreSection { cache: ByteSize::mebibytes(48), write_buffer: ByteSize::mebibytes(96) }
    }
}

impl Default for WitnessesSection {
    fn default() -> Self {
        WitnessesSection {
            min_interval: Span(Duration::from_millis(50)),
            deadline: Span::seconds(5),
            max_backlog: 1_000_000,
            authorities: PathBuf::new(),
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        LogSection { policy: PathBuf::new(), min_free_disk: ByteSize::mebibytes(512) }
    }
}
