//! The configuration of `acta-monitor`: one TOML file.
//!
//! [`File`] is the file as written, with a default for each key; [`Config`] is what the monitor runs with, and only [`File::validate`] makes
//! one, so nothing behind it has to ask again whether a value makes sense. Unknown keys are errors, because a misspelt limit is a limit that
//! is not there. Secrets are paths to files, never values. Every key is explained in `acta-monitor.example.toml`, which a test compares with
//! the defaults here. Each part of the monitor has its own section, which lies beside it.

mod file;
mod logs;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use acta_client::source::{Authority, CaFileError, read_ca_file};
use serving::messages::{MessagesSection, UnknownLevel};
use serving::tls::HalfTls;
use serving::units::ByteSize;

use crate::store::StoreOptions;
use crate::{documents, http, ocds, rules, search};

pub use file::{File, MonitorSection, OpsSection, StoreSection};
pub use logs::{LogConfigError, LogSection, LogSettings};

/// A configuration that makes sense.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where the monitor keeps what it knows.
    pub state: PathBuf,
    /// The logs that are followed.
    pub logs: Vec<LogSettings>,
    /// Certificate authorities to believe besides the web's.
    pub authorities: Vec<Authority>,
    /// The public listener.
    pub http: http::Settings,
    /// Full-text search.
    pub search: search::Settings,
    /// Rules and watch lists.
    pub rules: rules::Settings,
    /// Red flags of procurement.
    pub ocds: ocds::Settings,
    /// Documents.
    pub documents: documents::Settings,
    /// The operations listener's address and port, if there is one.
    pub ops_listen: Option<SocketAddr>,
    /// The store's memory.
    pub store: StoreOptions,
    /// How the monitor's own messages are printed.
    pub messages: MessagesSection,
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
    #[error("the configuration file {path} has a mistake; acta-monitor.example.toml shows every key: {error}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where, and what was expected.
        error: Box<toml::de::Error>,
    },
    /// A size below what anything works with.
    #[error("`{key}` is too small; write at least \"{}\"", ByteSize(*.least))]
    TooSmall {
        /// The key with its section.
        key: &'static str,
        /// The smallest value.
        least: u64,
    },
    /// Not an address with a port.
    #[error("`ops.listen` is not an address; write an address and a port such as \"127.0.0.1:9092\", or \"\" for no such listener")]
    OpsListen,
    /// No state directory.
    #[error("`monitor.state` is empty; write the directory in which the monitor shall keep what it knows")]
    NoState,
    /// Certificate authorities that cannot be read.
    #[error(transparent)]
    Authorities(#[from] CaFileError),
    /// A log that cannot be followed.
    #[error(transparent)]
    Log(#[from] LogConfigError),
    /// Certificate without key or key without certificate.
    #[error(transparent)]
    HalfTls(#[from] HalfTls),
    /// `[http]` cannot be used.
    #[error(transparent)]
    Http(#[from] http::SettingsError),
    /// `[search]` cannot be used.
    #[error(transparent)]
    Search(#[from] search::SettingsError),
    /// A rule or a watch list cannot be used.
    #[error(transparent)]
    Rules(#[from] rules::SettingsError),
    /// `[ocds]` cannot be used.
    #[error(transparent)]
    Ocds(#[from] ocds::SettingsError),
    /// `[documents]` cannot be used.
    #[error(transparent)]
    Documents(#[from] documents::SettingsError),
    /// A message filter that cannot be parsed.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
}

/// Below this RocksDB writes files all the time.
const MIN_STORE_MEMORY: u64 = 1 << 20;

impl File {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed { path: path.to_owned(), error: Box::new(error) })
    }

    /// Checks every value, and reads the files that are named in it.
    pub fn validate(self) -> Result<Config, ConfigError> {
        self.messages.check()?;
        if self.monitor.state.as_os_str().is_empty() {
            return Err(ConfigError::NoState);
        }
        let ops_listen = self.ops_listen()?;
        let ca_file = Some(&self.monitor.ca_file).filter(|path| !path.as_os_str().is_empty());
        let authorities = ca_file.map(|path| read_ca_file(path)).transpose()?.unwrap_or_default();
        Ok(Config {
            ops_listen,
            rules: rules::Section { rules: self.rule, watches: self.watch }.validate()?,
            ocds: self.ocds.validate()?,
            documents: self.documents.validate(&authorities)?,
            http: http::Settings { tls: self.tls.files()?, ..self.http.validate()? },
            search: self.search.validate()?,
            logs: logs::validate(&self.log)?,
            authorities,
            store: StoreOptions {
                block_cache_bytes: size("store.cache", self.store.cache)?,
                write_buffer_bytes: size("store.write_buffer", self.store.write_buffer)?,
            },
            state: self.monitor.state,
            messages: self.messages,
        })
    }

    fn ops_listen(&self) -> Result<Option<SocketAddr>, ConfigError> {
        match self.ops.listen.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| ConfigError::OpsListen),
        }
    }
}

fn size(key: &'static str, value: ByteSize) -> Result<usize, ConfigError> {
    if value.0 < MIN_STORE_MEMORY { Err(ConfigError::TooSmall { key, least: MIN_STORE_MEMORY }) } else { Ok(value.bytes()) }
}

#[cfg(test)]
mod tests;
