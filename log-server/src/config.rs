//! The configuration of `acta-log`: one TOML file, and flags for what one changes by hand.
//!
//! [`File`] is the file as written, with a default for each key; [`Config`] is what the server runs with, and only [`File::validate`]
//! makes one, so nothing behind it has to ask again whether a value makes sense. Unknown keys are errors, because a misspelt limit is
//! a limit that is not there. Secrets are paths to files, never values. Every key is explained in `acta-log.example.toml`, which a
//! test compares with the defaults here.

mod file;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serving::address::AddressRange;
use serving::config::{at_most, connections, headers, limit, nonzero, ops_listen, path, positive, size, span};
use serving::limits::Limit;
use serving::listener::Bounds;
use serving::messages::{MessagesSection, UnknownLevel};
use serving::proxy::Proxies;
use serving::tls::{HalfTls, TlsFiles};

use crate::admission::{AdmissionOptions, QuotaLimits};
use crate::gather::GatherOptions;
use crate::log::Options;
use crate::queue::QueueLimits;
use crate::store::RocksOptions;

pub use file::{
    AdmissionSection, CacheSection, File, HttpSection, LimitsSection, LogSection, OpsSection, QueueSection, StoreSection, WitnessesSection,
};

/// What the command line changes in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--ops-listen`
    pub ops_listen: Option<SocketAddr>,
    /// `--policy`
    pub policy: Option<PathBuf>,
}

/// A configuration that makes sense. [`Config::default`] is that of the empty file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The public listener.
    pub http: Http,
    /// The operations listener, if there is one.
    pub ops: Ops,
    /// The bounds of queue and cache.
    pub log: Options,
    /// The store's memory.
    pub store: RocksOptions,
    /// The policy file, if not the one in the data directory.
    pub policy: Option<PathBuf>,
    /// How the policy's witnesses are asked.
    pub witnesses: Witnesses,
    /// Bytes of free disk space below which no entries are taken in.
    pub min_free_disk: u64,
    /// How the server's messages are printed.
    pub messages: MessagesSection,
}

/// How the policy's witnesses are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Witnesses {
    /// Intervals and bounds.
    pub options: GatherOptions,
    /// A PEM file of further certificate authorities.
    pub authorities: Option<PathBuf>,
}

/// The public listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where the world finds this log, without a slash at the end.
    pub public_url: Option<String>,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// The bounds of its connections.
    pub bounds: Bounds,
    /// Bytes of bodies still arriving, of all requests together.
    pub body_memory: usize,
    /// Bytes of answers that clients have not taken yet, of all requests together.
    pub answer_memory: usize,
    /// Requests at once, on all connections together.
    pub max_requests: usize,
    /// Connections at once of one client address; 0: no limit of its own.
    pub max_connections_per_client: u32,
    /// Addresses for which that limit does not hold: this machine, and the trusted proxies.
    pub many_connections: Vec<AddressRange>,
    /// From the headers to the end of the body.
    pub body_timeout: Duration,
    /// From a complete `POST /add` to its answer.
    pub add_timeout: Duration,
    /// How long a request for a receipt waits for a published head.
    pub receipt_timeout: Duration,
    /// What others may cache the head for.
    pub checkpoint_max_age: Duration,
    /// Bytes of compressed bundles that are kept.
    pub compressed_cache: u64,
    /// How many entries one client may add, if that is limited.
    pub limit: Option<Limit>,
    /// How the client's address is found behind a proxy.
    pub proxies: Proxies,
}

/// The operations listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ops {
    /// Address and port, if there is one.
    pub listen: Option<SocketAddr>,
    /// How long entries may be durable without a published head that covers them before `/readyz` says no.
    pub max_head_age: Duration,
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
    /// Not a web address.
    #[error("`http.public_url` is not a web address; write it as \"https://log.example.org\", without a slash at the end")]
    PublicUrl,
    /// A message filter that cannot be parsed.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
}

/// The longest time that a witness is waited for or left alone, in seconds.
const MAX_WITNESS_SECONDS: u64 = 3600;

/// The largest entry, for which the queue must have room when it is empty.
const MIN_QUEUE: u64 = 64 << 10;

/// Below this the store finds hardly anything in memory.
const MIN_STORE_CACHE: u64 = 1 << 20;

/// Below this leaf hashes are written to files of a few hundred.
const MIN_WRITE_BUFFER: u64 = 64 << 10;

/// The largest batch.
const MIN_BODY_MEMORY: u64 = 8 << 20;

/// The largest bundle, 256 entries of 65,537 bytes with their lengths.
const MIN_ANSWER_MEMORY: u64 = 17 << 20;

impl File {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(serving::config::load(path, "acta-log.example.toml")?)
    }

    /// Joins file and flags, and checks every value.
    pub fn validate(self, flags: Flags) -> Result<Config, ConfigError> {
        let http = self.http(&flags)?;
        let ops = Ops {
            listen: ops_listen(flags.ops_listen, &self.ops.listen, http.listen)?,
            max_head_age: span("ops.max_head_age", self.ops.max_head_age)?,
        };
        let log = Options {
            queue: QueueLimits {
                entries: positive("queue.max_entries", self.queue.max_entries)?,
                bytes: size("queue.max_bytes", self.queue.max_bytes, MIN_QUEUE)?,
                ..QueueLimits::default()
            },
            cache_bytes: self.cache.assembled.0,
            admission: AdmissionOptions {
                quota: QuotaLimits { entries: self.admission.entries_per_issuer_per_day, bytes: self.admission.bytes_per_issuer_per_day.0 },
                cache_bytes: self.cache.ledger.0,
            },
        };
        self.messages.check()?;
        let store = RocksOptions {
            block_cache_bytes: size("store.cache", self.store.cache, MIN_STORE_CACHE)?,
            write_buffer_bytes: size("store.write_buffer", self.store.write_buffer, MIN_WRITE_BUFFER)?,
        };
        let (witnesses, policy) = (self.witnesses()?, flags.policy.or(path(self.log.policy)));
        Ok(Config { http, ops, log, store, policy, witnesses, min_free_disk: self.log.min_free_disk.0, messages: self.messages })
    }

    fn witnesses(&self) -> Result<Witnesses, ConfigError> {
        let WitnessesSection { min_interval, deadline, max_backlog, authorities } = &self.witnesses;
        // A longer one would be a mistake, and nobody would wait for it.
        at_most("witnesses.min_interval", min_interval.0.as_secs(), MAX_WITNESS_SECONDS)?;
        at_most("witnesses.deadline", deadline.0.as_secs(), MAX_WITNESS_SECONDS)?;
        if *max_backlog == 0 {
            return Err(serving::config::ConfigError::Zero { key: "witnesses.max_backlog" }.into());
        }
        let deadline = span("witnesses.deadline", *deadline)?;
        let options = GatherOptions { min_interval: min_interval.0, deadline, max_backlog: *max_backlog };
        Ok(Witnesses { options, authorities: path(authorities.clone()) })
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
            public_url: public_url(&section.public_url)?,
            tls: self.tls.files()?,
            bounds,
            body_memory: size("http.body_memory", section.body_memory, MIN_BODY_MEMORY)?,
            answer_memory: size("http.answer_memory", section.answer_memory, MIN_ANSWER_MEMORY)?,
            max_requests: positive("http.max_requests", section.max_requests)?,
            max_connections_per_client: section.max_connections_per_client,
            many_connections: AddressRange::LOOPBACK.into_iter().chain(limits.trusted_proxies.iter().copied()).collect(),
            body_timeout: span("http.body_timeout", section.body_timeout)?,
            add_timeout: span("http.add_timeout", section.add_timeout)?,
            receipt_timeout: span("http.receipt_timeout", section.receipt_timeout)?,
            checkpoint_max_age: self.checkpoint_max_age()?,
            compressed_cache: self.cache.compressed.0,
            limit: limit(limits.adds_per_second, ("limits.burst", limits.burst), ("limits.addresses", limits.addresses))?,
            proxies: Proxies { trusted: limits.trusted_proxies.clone(), header: limits.forwarded_header },
        })
    }

    fn checkpoint_max_age(&self) -> Result<Duration, ConfigError> {
        // SPEC: tlog-tiles §Checkpoints: the one resource that changes; a longer life would hide new entries from readers.
        let age = self.cache.checkpoint_max_age.0;
        at_most("cache.checkpoint_max_age", age.as_secs(), 10)?;
        Ok(age)
    }
}

impl Default for Config {
    fn default() -> Self {
        File::default().validate(Flags::default()).expect("a test validates the defaults")
    }
}

fn public_url(text: &str) -> Result<Option<String>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(ConfigError::PublicUrl)?;
    let plain = rest.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~:/[]".contains(&c));
    if rest.is_empty() || rest.starts_with('/') || rest.ends_with('/') || !plain {
        return Err(ConfigError::PublicUrl);
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests;
