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
use serving::config::{bytes, connections, headers, limit, nonzero, ops_listen, path, positive, size, span};
use serving::limits::Limit;
use serving::listener::Bounds;
use serving::messages::{MessagesSection, UnknownLevel};
use serving::proxy::Proxies;
use serving::tls::{HalfTls, TlsFiles};

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
    /// The bounds of its connections.
    pub bounds: Bounds,
    /// Bytes of bodies still arriving, of all requests together.
    pub body_memory: usize,
    /// Requests at once, on all connections together.
    pub max_requests: usize,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// Addresses for which that limit does not hold: this machine, and the trusted proxies.
    pub many_connections: Vec<AddressRange>,
    /// From the headers to the end of the body.
    pub body_timeout: Duration,
    /// From the end of the body to the answer.
    pub answer_timeout: Duration,
    /// How many requests one client may send, if that is limited.
    pub limit: Option<Limit>,
    /// How the client's address is found behind a proxy.
    pub proxies: Proxies,
}

/// A configuration that cannot be used. Each text names the key and says what to write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or has a value that no server could work with.
    #[error(transparent)]
    Common(#[from] serving::config::ConfigError),
    /// Certificate without key or key without certificate.
    #[error(transparent)]
    HalfTls(#[from] HalfTls),
    /// Not an address of a bastion.
    #[error(transparent)]
    Bastion(#[from] BastionError),
    /// A message filter that cannot be parsed.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
}

/// The largest request, with what is made of it.
const MIN_MEMORY: u64 = 1 << 20;

/// Below this RocksDB writes files all the time.
const MIN_STORE_MEMORY: u64 = 1 << 20;

/// Bytes that a file of evidence can have.
const MIN_EVIDENCE: u64 = 256 << 10;

impl File {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(serving::config::load(path, "acta-witness.example.toml")?)
    }

    /// Joins file and flags, and checks every value.
    pub fn validate(self, flags: Flags) -> Result<Config, ConfigError> {
        let http = self.http(&flags)?;
        let ops_listen = ops_listen(flags.ops_listen, &self.ops.listen, http.listen)?;
        self.messages.check()?;
        let bastion = flags.bastion.or(Some(self.bastion.address.clone()).filter(|address| !address.is_empty()));
        bastion.as_deref().map(bastion::name).transpose()?;
        Ok(Config {
            http,
            ops_listen,
            cosigner: Options { pending: size("limits.pending", self.limits.pending, MIN_MEMORY)?, rate: self.rate()? },
            bastion,
            bastion_authority: path(self.bastion.authority),
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

    fn http(&self, flags: &Flags) -> Result<Http, ConfigError> {
        let (section, limits) = (&self.http, &self.limits);
        let bounds = Bounds {
            connections: connections(section.max_connections)?,
            streams: nonzero("http.max_streams", section.max_streams)?.get(),
            headers: headers(section.max_headers)?,
            header_timeout: span("http.header_timeout", section.header_timeout)?,
            idle_timeout: span("http.idle_timeout", section.idle_timeout)?,
            drain_timeout: span("http.drain_timeout", section.drain_timeout)?,
        };
        Ok(Http {
            listen: flags.listen.unwrap_or(section.listen),
            tls: self.tls.files()?,
            bounds,
            body_memory: size("http.body_memory", section.body_memory, MIN_MEMORY)?,
            max_requests: positive("http.max_requests", section.max_requests)?,
            max_connections_per_client: section.max_connections_per_client,
            many_connections: AddressRange::LOOPBACK.into_iter().chain(limits.trusted_proxies.iter().copied()).collect(),
            body_timeout: span("http.body_timeout", section.body_timeout)?,
            answer_timeout: span("http.answer_timeout", section.answer_timeout)?,
            limit: limit(
                limits.requests_per_second,
                ("limits.requests_burst", limits.requests_burst),
                ("limits.addresses", limits.addresses),
            )?,
            proxies: Proxies { trusted: limits.trusted_proxies.clone(), header: limits.forwarded_header },
        })
    }

    fn rate(&self) -> Result<Option<Rate>, ConfigError> {
        let Some(per_second) = NonZeroU32::new(self.limits.checkpoints_per_second) else {
            return Ok(None);
        };
        Ok(Some(Rate { per_second, burst: nonzero("limits.checkpoints_burst", self.limits.checkpoints_burst)? }))
    }
}

impl Default for Config {
    fn default() -> Self {
        File::default().validate(Flags::default()).expect("a test validates the defaults")
    }
}

#[cfg(test)]
mod tests;
