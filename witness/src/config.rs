//! The configuration of `acta-witness`: one TOML file, and flags for what one changes by hand.
//!
//! [`File`] is the file as written, with a default for each key; [`Config`] is what the server runs with, and only [`File::validate`]
//! makes one, so nothing behind it has to ask again whether a value makes sense. Unknown keys are errors, because a misspelt limit is
//! a limit that is not there. Secrets are paths to files, never values. Every key is explained in `acta-witness.example.toml`, which a
//! test compares with the defaults here.

mod file;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serving::address::AddressRange;
use serving::limits::Limit;
use serving::messages::{MessagesSection, UnknownLevel};
use serving::proxy::Proxies;
use serving::tls::{HalfTls, TlsFiles};
use serving::units::{ByteSize, Span};

use crate::bastion::{self, BastionError};
use crate::cosigner::Options;
use crate::evidence::EvidenceLimits;
use crate::rate::Rate;
use crate::store::RocksOptions;

pub use file::{BastionSection, EvidenceSection, File, HttpSection, LimitsSection, OpsSection, StoreSection, WitnessSection};

/// What the command line changes in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--ops-listen`
    pub ops_listen: Option<SocketAddr>,
    /// `--policy`, each
    pub policies: Vec<PathBuf>,
    /// `--bastion`
    pub bastion: Option<String>,
}

/// A configuration that makes sense. [`Config::default`] is that of the empty file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The public listener.
    pub http: Http,
    /// The operations listener's address and port, if there is one.
    pub ops_listen: Option<SocketAddr>,
    /// The bastion to connect to, HOST:PORT, if there is one.
    pub bastion: Option<String>,
    /// Whose certificate the bastion may have besides those of the web's authorities.
    pub bastion_authority: Option<PathBuf>,
    /// The bounds of the write path.
    pub cosigner: Options,
    /// The bounds of evidence.
    pub evidence: EvidenceLimits,
    /// The store's memory.
    pub store: RocksOptions,
    /// Policy files, and directories of them, besides those in the data directory.
    pub policies: Vec<PathBuf>,
    /// How the server's messages are printed.
    pub messages: MessagesSection,
}

/// The public listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// Connections at once.
    pub max_connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of headers of a request.
    pub max_headers: u32,
    /// Bytes of bodies still arriving, of all requests together.
    pub body_memory: usize,
    /// Requests at once, on all connections together.
    pub max_requests: usize,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// Addresses for which that limit does not hold: this machine, and the trusted proxies.
    pub many_connections: Vec<AddressRange>,
    /// From connecting to the end of the first request's headers, and of the headers of each later one.
    pub header_timeout: Duration,
    /// From the headers to the end of the body.
    pub body_timeout: Duration,
    /// From the end of the body to the answer.
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

/// A configuration that cannot be used. Each text names the key and says what to write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {error}; check the path and that this user may read it", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong shape.
    #[error("the configuration file {path} has a mistake; acta-witness.example.toml shows every key: {error}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where, and what was expected.
        error: Box<toml::de::Error>,
    },
    /// A number that has to be more than zero.
    #[error("`{key}` is 0, which would stop the witness from working; write a value above 0 or remove the line for the default")]
    Zero {
        /// The key with its section.
        key: &'static str,
    },
    /// A number beyond what it may be.
    #[error("`{key}` is too large; write at most {most}")]
    TooLarge {
        /// The key with its section.
        key: &'static str,
        /// The largest value.
        most: u64,
    },
    /// A number below what anything works with.
    #[error("`{key}` is too small: a request of the largest size could never be answered; write at least \"{}\"", ByteSize(*.least))]
    TooSmall {
        /// The key with its section.
        key: &'static str,
        /// The smallest value.
        least: u64,
    },
    /// Certificate without key or key without certificate.
    #[error(transparent)]
    HalfTls(#[from] HalfTls),
    /// Not an address with a port.
    #[error("`ops.listen` is not an address; write an address and a port such as \"127.0.0.1:9091\", or \"\" for no such listener")]
    OpsListen,
    /// Both listeners at one address.
    #[error("`http.listen` and `ops.listen` are the same address; the operations listener needs a port of its own")]
    SameListener,
    /// Not an address of a bastion.
    #[error(transparent)]
    Bastion(#[from] BastionError),
    /// A message filter that cannot be parsed.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
}

/// No more connections than this: each takes a file descriptor and a few kilobytes.
const MAX_CONNECTIONS: u32 = 1_000_000;

/// The largest request, with what is made of it.
const MIN_MEMORY: u64 = 1 << 20;

/// Below this RocksDB writes files all the time.
const MIN_STORE_MEMORY: u64 = 1 << 20;

/// Memory of the limiter: 20 bytes an address.
const MAX_ADDRESSES: u32 = 16_777_216;

/// Large enough for every real client, small enough that thousands of connections fit into memory.
const MAX_HEADERS: u64 = 1 << 20;

/// hyper's smallest buffer.
const MIN_HEADERS: u64 = 8192;

/// Bytes that a file of evidence can have.
const MIN_EVIDENCE: u64 = 256 << 10;

impl File {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed { path: path.to_owned(), error: Box::new(error) })
    }

    /// Joins file and flags, and checks every value.
    pub fn validate(self, flags: Flags) -> Result<Config, ConfigError> {
        let ops_listen = self.ops_listen(&flags)?;
        let http = self.http(&flags)?;
        if ops_listen == Some(http.listen) && http.listen.port() != 0 {
            return Err(ConfigError::SameListener);
        }
        self.messages.check()?;
        let bastion = flags.bastion.or(Some(self.bastion.address.clone()).filter(|address| !address.is_empty()));
        bastion.as_deref().map(bastion::name).transpose()?;
        Ok(Config {
            http,
            ops_listen,
            cosigner: Options { pending: size("limits.pending", self.limits.pending, MIN_MEMORY)?, rate: self.rate()? },
            bastion,
            bastion_authority: Some(self.bastion.authority).filter(|path| !path.as_os_str().is_empty()),
            evidence: EvidenceLimits {
                files: nonzero("evidence.max_files", self.evidence.max_files)?,
                bytes: bytes("evidence.max_bytes", self.evidence.max_bytes, MIN_EVIDENCE)?,
            },
            store: RocksOptions {
                block_cache_bytes: size("store.cache", self.store.cache, MIN_STORE_MEMORY)?,
                write_buffer_bytes: size("store.write_buffer", self.store.write_buffer, MIN_STORE_MEMORY)?,
            },
            policies: if flags.policies.is_empty() { self.witness.policies } else { flags.policies },
            messages: self.messages,
        })
    }

    fn ops_listen(&self, flags: &Flags) -> Result<Option<SocketAddr>, ConfigError> {
        let written = match self.ops.listen.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| ConfigError::OpsListen)?),
        };
        Ok(flags.ops_listen.or(written))
    }

    fn http(&self, flags: &Flags) -> Result<Http, ConfigError> {
        let section = &self.http;
        at_most("http.max_connections", section.max_connections.into(), MAX_CONNECTIONS.into())?;
        at_most("http.max_headers", section.max_headers.0, MAX_HEADERS)?;
        let max_headers = section.max_headers.0.max(MIN_HEADERS);
        Ok(Http {
            listen: flags.listen.unwrap_or(section.listen),
            tls: self.tls.files()?,
            max_connections: positive("http.max_connections", section.max_connections)?,
            max_streams: nonzero("http.max_streams", section.max_streams)?.get(),
            max_headers: u32::try_from(max_headers).expect("at most MAX_HEADERS"),
            body_memory: size("http.body_memory", section.body_memory, MIN_MEMORY)?,
            max_requests: positive("http.max_requests", section.max_requests)?,
            max_connections_per_client: section.max_connections_per_client,
            many_connections: AddressRange::LOOPBACK.into_iter().chain(self.limits.trusted_proxies.iter().copied()).collect(),
            header_timeout: span("http.header_timeout", section.header_timeout)?,
            body_timeout: span("http.body_timeout", section.body_timeout)?,
            answer_timeout: span("http.answer_timeout", section.answer_timeout)?,
            idle_timeout: span("http.idle_timeout", section.idle_timeout)?,
            drain_timeout: span("http.drain_timeout", section.drain_timeout)?,
            limit: self.limit()?,
            proxies: Proxies { trusted: self.limits.trusted_proxies.clone(), header: self.limits.forwarded_header },
        })
    }

    fn rate(&self) -> Result<Option<Rate>, ConfigError> {
        let Some(per_second) = NonZeroU32::new(self.limits.checkpoints_per_second) else {
            return Ok(None);
        };
        Ok(Some(Rate { per_second, burst: nonzero("limits.checkpoints_burst", self.limits.checkpoints_burst)? }))
    }

    fn limit(&self) -> Result<Option<Limit>, ConfigError> {
        let Some(per_second) = NonZeroU32::new(self.limits.requests_per_second) else {
            return Ok(None);
        };
        at_most("limits.addresses", self.limits.addresses.into(), MAX_ADDRESSES.into())?;
        Ok(Some(Limit {
            per_second,
            burst: nonzero("limits.requests_burst", self.limits.requests_burst)?,
            addresses: nonzero("limits.addresses", self.limits.addresses)?,
        }))
    }
}

impl Default for Config {
    fn default() -> Self {
        File::default().validate(Flags::default()).expect("a test validates the defaults")
    }
}

fn nonzero(key: &'static str, value: u32) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(value).ok_or(ConfigError::Zero { key })
}

fn positive(key: &'static str, value: u32) -> Result<usize, ConfigError> {
    Ok(usize::try_from(nonzero(key, value)?.get()).unwrap_or(usize::MAX))
}

fn bytes(key: &'static str, value: ByteSize, least: u64) -> Result<u64, ConfigError> {
    if value.0 < least { Err(ConfigError::TooSmall { key, least }) } else { Ok(value.0) }
}

fn size(key: &'static str, value: ByteSize, least: u64) -> Result<usize, ConfigError> {
    bytes(key, value, least).map(|_| value.bytes())
}

fn span(key: &'static str, value: Span) -> Result<Duration, ConfigError> {
    if value.0.is_zero() { Err(ConfigError::Zero { key }) } else { Ok(value.0) }
}

fn at_most(key: &'static str, value: u64, most: u64) -> Result<(), ConfigError> {
    if value > most { Err(ConfigError::TooLarge { key, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
