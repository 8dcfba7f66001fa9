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
use serving::config::{ops_listen, path, size};
use serving::messages::{MessagesSection, UnknownLevel};
use serving::tls::HalfTls;

use crate::store::StoreOptions;
use crate::{alert, checks, documents, http, ocds, rules, search, views};

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
    /// Who else is asked what a log shows.
    pub gossip: views::Settings,
    /// The public listener.
    pub http: http::Settings,
    /// Full-text search.
    pub search: search::Settings,
    /// What looks wrong or is missing.
    pub checks: checks::Settings,
    /// Rules and watch lists.
    pub rules: rules::Settings,
    /// Red flags of procurement.
    pub ocds: ocds::Settings,
    /// Documents.
    pub documents: documents::Settings,
    /// How alerts are sent.
    pub alerts: alert::Settings,
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
    /// The file cannot be read, or has a value that no server could work with.
    #[error(transparent)]
    Common(#[from] serving::config::ConfigError),
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
    /// `[gossip]` cannot be used.
    #[error(transparent)]
    Gossip(#[from] views::SettingsError),
    /// `[search]` cannot be used.
    #[error(transparent)]
    Search(#[from] search::SettingsError),
    /// `[checks]` cannot be used.
    #[error(transparent)]
    Checks(#[from] checks::SettingsError),
    /// A rule or a watch list cannot be used.
    #[error(transparent)]
    Rules(#[from] rules::SettingsError),
    /// `[ocds]` cannot be used.
    #[error(transparent)]
    Ocds(#[from] ocds::SettingsError),
    /// `[documents]` cannot be used.
    #[error(transparent)]
    Documents(#[from] documents::SettingsError),
    /// `[alerts]`, a `[[webhook]]` or `[mail]` cannot be used.
    #[error(transparent)]
    Alerts(#[from] alert::SettingsError),
    /// A message filter that cannot be parsed.
    #[error(transparent)]
    Level(#[from] UnknownLevel),
}

/// Below this RocksDB writes files all the time.
const MIN_STORE_MEMORY: u64 = 1 << 20;

impl File {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(serving::config::load(path, "acta-monitor.example.toml")?)
    }

    /// Checks every value, and reads the files that are named in it.
    pub fn validate(self) -> Result<Config, ConfigError> {
        self.messages.check()?;
        if self.monitor.state.as_os_str().is_empty() {
            return Err(ConfigError::NoState);
        }
        let http = http::Settings { tls: self.tls.files()?, ..self.http.validate()? };
        let ops_listen = ops_listen(None, &self.ops.listen, http.listen)?;
        let authorities = path(self.monitor.ca_file).map(|path| read_ca_file(&path)).transpose()?.unwrap_or_default();
        Ok(Config {
            ops_listen,
            checks: self.checks.validate()?,
            rules: rules::Section { rules: self.rule, watches: self.watch }.validate()?,
            ocds: self.ocds.validate()?,
            documents: self.documents.validate(&authorities)?,
            http,
            gossip: self.gossip.validate()?,
            search: self.search.validate()?,
            alerts: alert::Settings::new(&self.alerts, self.webhook, self.mail, authorities.clone())?,
            logs: logs::validate(&self.log)?,
            authorities,
            store: StoreOptions {
                block_cache_bytes: size("store.cache", self.store.cache, MIN_STORE_MEMORY)?,
                write_buffer_bytes: size("store.write_buffer", self.store.write_buffer, MIN_STORE_MEMORY)?,
            },
            state: self.monitor.state,
            messages: self.messages,
        })
    }
}

#[cfg(test)]
mod tests;
