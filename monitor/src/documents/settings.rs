//! `[documents]` as it is written, and as it is used.

use std::time::Duration;

use acta_client::source::Authority;
use serde::{Deserialize, Serialize};
use serving::units::{ByteSize, Span};

use crate::outside::{self, Client, Hosts, MalformedAllowed, SetupError};

/// `[documents]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Whether documents are fetched.
    pub fetch: bool,
    /// Hosts that are asked; empty: all that are public. `.example.org` means the hosts below example.org.
    pub hosts: Vec<String>,
    /// Networks and hosts that may be reached although they are not public.
    pub allow: Vec<String>,
    /// Larger documents are not fetched.
    pub max_size: ByteSize,
    /// Requests at once.
    pub parallel: u32,
    /// From one request to a host to the next one to it.
    pub pause: Span,
    /// How long one document may take.
    pub timeout: Span,
    /// Redirects that are followed for one document.
    pub redirects: u8,
    /// How often a document is asked for before it is said to be unavailable.
    pub attempts: u32,
    /// After this time a document is looked at again; "0s": never.
    pub recheck: Span,
}

impl Default for Section {
    fn default() -> Self {
        Section {
            fetch: false,
            hosts: Vec::new(),
            allow: Vec::new(),
            max_size: ByteSize::mebibytes(64),
            parallel: 4,
            pause: Span::seconds(1),
            timeout: Span::seconds(60),
            redirects: 3,
            attempts: 5,
            recheck: Span::seconds(0),
        }
    }
}

/// Settings that make sense.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: nothing is fetched.
    pub(super) client: Option<Client>,
    pub(super) hosts: Hosts,
    pub(super) max_size: u64,
    pub(super) parallel: usize,
    pub(super) pause: Duration,
    pub(super) timeout: Duration,
    pub(super) redirects: u8,
    pub(super) attempts: u32,
    pub(super) recheck: Option<Duration>,
}

/// The section `[documents]` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Something in `allow` is neither a network nor a host.
    #[error("`documents.allow`: {0}")]
    Allow(#[from] MalformedAllowed),
    /// A number that has to be more than zero.
    #[error("`documents.{key}` is 0, so that no document could be fetched; write a value above 0 or remove the line for the default")]
    Zero {
        /// Which.
        key: &'static str,
    },
    /// The HTTP client could not be set up.
    #[error("documents cannot be fetched: {0}")]
    Setup(#[from] SetupError),
}

impl Section {
    /// The same, if it makes sense. `authorities` are believed besides the web's.
    pub fn validate(self, authorities: &[Authority]) -> Result<Settings, SettingsError> {
        let zero = [
            ("max_size", self.max_size.0 == 0),
            ("parallel", self.parallel == 0),
            ("timeout", self.timeout.0.is_zero()),
            ("attempts", self.attempts == 0),
        ];
        if let Some((key, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(SettingsError::Zero { key });
        }
        let hosts = Hosts::new(&self.hosts);
        let outside = outside::Settings::allowing(&self.allow)?.only(hosts.clone()).trusting(authorities);
        Ok(Settings {
            client: self.fetch.then(|| Client::new(&outside)).transpose()?,
            hosts,
            max_size: self.max_size.0,
            parallel: usize::try_from(self.parallel).unwrap_or(usize::MAX),
            pause: self.pause.0,
            timeout: self.timeout.0,
            redirects: self.redirects,
            attempts: self.attempts,
            recheck: Some(self.recheck.0).filter(|time| !time.is_zero()),
        })
    }
}
