//! `[[log]]`: which logs are followed, and what is accepted of each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acta_client::location::{InvalidLocation, Location};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serving::units::Span;
use tlog::TreeSize;
use tlog::policy::{MAX_POLICY, Policy, PolicyError};

/// `[[log]]`, as it is written: the logs of one policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// The policy file: the logs' keys, their witnesses, and how many of these must sign.
    pub policy: PathBuf,
    /// Which of the policy's logs; empty: each of them.
    pub origin: String,
    /// Where the log is; empty: where the policy says.
    pub url: String,
    /// From one look at its newest head to the next.
    pub interval: Span,
    /// How long entries that do not fill a bundle may wait for more to come.
    pub partial_delay: Span,
    /// Whether entries are taken in only under heads that have the witnesses that the policy asks for.
    pub require_quorum: bool,
    /// How old the newest cosignature of the newest head may be; for heads without times, how long a head may stay the newest.
    pub stale_after: Span,
    /// How far a cosignature may be ahead of this machine's clock.
    pub future_tolerance: Span,
    /// For how long the log may not be reached.
    pub unreachable_after: Span,
    /// For how long a witness may be missing while there are enough others.
    pub witness_after: Span,
    /// The largest size that was declared for the log, if its end was declared.
    pub final_size: Option<u64>,
    /// The time zone of its issuers' days and hours.
    pub zone: String,
    /// How many requests run at the same time.
    pub parallel: u16,
}

/// A log that is followed, and what is accepted of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogSettings {
    /// Its origin.
    pub origin: String,
    /// The policy, with this log alone.
    pub policy: Policy,
    /// Where it is.
    pub location: Location,
    /// From one look at its newest head to the next.
    pub interval: Duration,
    /// How long entries that do not fill a bundle may wait for more to come.
    pub partial_delay: Duration,
    /// Whether entries are taken in only under heads that have the witnesses that the policy asks for.
    pub require_quorum: bool,
    /// How old the newest head may be.
    pub stale_after: Duration,
    /// How far a cosignature may be ahead of this machine's clock.
    pub future_tolerance: Duration,
    /// For how long the log may not be reached.
    pub unreachable_after: Duration,
    /// For how long a witness may be missing while there are enough others.
    pub witness_after: Duration,
    /// The size beyond which the log was declared not to grow.
    pub final_size: Option<TreeSize>,
    /// The time zone of its issuers' days and hours.
    pub zone: TimeZone,
    /// How many requests run at the same time.
    pub parallel: usize,
}

/// A log cannot be followed as the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogConfigError {
    /// No policy file.
    #[error("a [[log]] has no `policy`; write the path of the policy file that lists the log's key")]
    NoPolicy,
    /// The policy file cannot be read.
    #[error("the policy file {} cannot be read: {error}; check the path and that this user may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is too large.
    #[error("{} is larger than any policy; is this the right file?", .0.display())]
    TooLarge(PathBuf),
    /// It is no policy.
    #[error("the policy file {} has a mistake: {error}", path.display())]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Where, and what is wrong.
        error: PolicyError,
    },
    /// It lists no log.
    #[error("the policy file {} lists no log; add a line `log KEY URL`", .0.display())]
    NoLogs(PathBuf),
    /// It does not list this log.
    #[error("the policy file {} does not list the log {origin}; `origin` is the name in the log's key", path.display())]
    NotListed {
        /// Which file.
        path: PathBuf,
        /// Which log.
        origin: String,
    },
    /// One address for several logs.
    #[error("the policy file {} lists several logs: say by `origin` which of them is at the `url`", .0.display())]
    WhichLog(PathBuf),
    /// No address.
    #[error("it is not said where the log {0} is: write its address as `url`, or behind its key in the policy file")]
    NoUrl(String),
    /// Not an address.
    #[error("the address of the log {origin} cannot be used: {error}")]
    Url {
        /// Which log.
        origin: String,
        /// Why.
        error: InvalidLocation,
    },
    /// The same log twice.
    #[error("the log {0} is listed twice; one [[log]] is enough")]
    Twice(String),
    /// A time of 0.
    #[error("`log.{0}` is 0, which would stop the monitor from working; write a value above 0 or remove the line for the default")]
    Zero(&'static str),
    /// Not a time zone.
    #[error("`log.zone` is \"{0}\", which is no time zone that this machine knows; write one such as \"Europe/Berlin\", or \"UTC\"")]
    Zone(String),
}

impl Default for LogSection {
    fn default() -> Self {
        LogSection {
            policy: PathBuf::new(),
            origin: String::new(),
            url: String::new(),
            interval: Span::seconds(2),
            partial_delay: Span::seconds(1),
            require_quorum: false,
            stale_after: Span::seconds(24 * 3600),
            future_tolerance: Span::seconds(300),
            unreachable_after: Span::seconds(600),
            witness_after: Span::seconds(3600),
            final_size: None,
            zone: "UTC".to_owned(),
            parallel: 16,
        }
    }
}

/// All logs of all sections.
pub(super) fn validate(sections: &[LogSection]) -> Result<Vec<LogSettings>, LogConfigError> {
    let mut all: Vec<LogSettings> = Vec::new();
    for section in sections {
        for log in section.validate()? {
            if all.iter().any(|known| known.origin == log.origin) {
                return Err(LogConfigError::Twice(log.origin));
            }
            all.push(log);
        }
    }
    Ok(all)
}

impl LogSection {
    /// The logs of this section. Reads the policy file.
    pub fn validate(&self) -> Result<Vec<LogSettings>, LogConfigError> {
        let (path, policy) = (&self.policy, self.read_policy()?);
        let mut origins: Vec<&str> = policy.logs().iter().map(|log| log.key().name().as_str()).collect();
        origins.dedup();
        if !self.origin.is_empty() {
            origins.retain(|origin| *origin == self.origin);
            if origins.is_empty() {
                return Err(LogConfigError::NotListed { path: path.clone(), origin: self.origin.clone() });
            }
        }
        if origins.is_empty() {
            return Err(LogConfigError::NoLogs(path.clone()));
        }
        if origins.len() > 1 && !self.url.is_empty() {
            return Err(LogConfigError::WhichLog(path.clone()));
        }
        origins.into_iter().map(|origin| self.settings(&policy, origin)).collect()
    }

    fn read_policy(&self) -> Result<Policy, LogConfigError> {
        if self.policy.as_os_str().is_empty() {
            return Err(LogConfigError::NoPolicy);
        }
        read_policy(&self.policy)
    }

    fn settings(&self, policy: &Policy, origin: &str) -> Result<LogSettings, LogConfigError> {
        let policy = policy.only(origin).expect("the origin is one of the policy's");
        let written = policy.logs().iter().find_map(|log| log.url()).unwrap_or_default();
        let url = if self.url.is_empty() { written } else { &self.url };
        if url.is_empty() {
            return Err(LogConfigError::NoUrl(origin.to_owned()));
        }
        let location = url.parse().map_err(|error| LogConfigError::Url { origin: origin.to_owned(), error })?;
        Ok(LogSettings {
            origin: origin.to_owned(),
            location,
            interval: above_zero("interval", self.interval)?,
            partial_delay: self.partial_delay.0,
            require_quorum: self.require_quorum,
            stale_after: above_zero("stale_after", self.stale_after)?,
            future_tolerance: self.future_tolerance.0,
            unreachable_after: self.unreachable_after.0,
            witness_after: self.witness_after.0,
            final_size: self.final_size.map(TreeSize::new),
            zone: TimeZone::get(&self.zone).map_err(|_| LogConfigError::Zone(self.zone.clone()))?,
            parallel: usize::from(self.parallel).max(1),
            policy,
        })
    }
}

/// Reads a policy file.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, LogConfigError> {
    let limit = u64::try_from(MAX_POLICY).unwrap_or(u64::MAX);
    let read = acta_client::durable::read_bounded(path, limit);
    let bytes = read.map_err(|error| LogConfigError::Unreadable { path: path.to_owned(), error })?;
    let bytes = bytes.ok_or_else(|| LogConfigError::TooLarge(path.to_owned()))?;
    Policy::parse(&bytes).map_err(|error| LogConfigError::Policy { path: path.to_owned(), error })
}

fn above_zero(key: &'static str, span: Span) -> Result<Duration, LogConfigError> {
    if span.0.is_zero() { Err(LogConfigError::Zero(key)) } else { Ok(span.0) }
}
