//! The server's own messages: which ones, and for whom.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// `[messages]`, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessagesSection {
    /// Which messages: a level, or a filter of levels by module.
    pub level: String,
    /// For people or for programs.
    pub format: MessageFormat,
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageFormat {
    /// A line of text.
    Human,
    /// A JSON object in each line.
    Json,
}

/// A message filter that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`messages.level` is not a level; write \"error\", \"warn\", \"info\", \"debug\" or \"trace\"")]
pub struct UnknownLevel;

impl MessagesSection {
    /// Whether the level is one.
    pub fn check(&self) -> Result<(), UnknownLevel> {
        self.level.parse::<tracing_subscriber::filter::Targets>().map(drop).map_err(|_| UnknownLevel)
    }

    /// Prints messages to standard error from now on. To be called once in a process.
    pub fn print(&self) -> Result<(), UnknownLevel> {
        let filter = EnvFilter::try_new(&self.level).map_err(|_| UnknownLevel)?;
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
        let subscriber = subscriber.with_ansi(std::io::stderr().is_terminal());
        match self.format {
            MessageFormat::Human => subscriber.init(),
            MessageFormat::Json => subscriber.json().init(),
        }
        Ok(())
    }
}

impl Default for MessagesSection {
    fn default() -> Self {
        MessagesSection { level: "info".to_owned(), format: MessageFormat::Human }
    }
}
