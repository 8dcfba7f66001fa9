//! `[gossip]`: who else is asked what a log shows, and for how long a doubt may last.

use std::time::Duration;

use acta_client::location::{InvalidLocation, Location};
use serde::{Deserialize, Serialize};
use serving::units::Span;

/// The most addresses of one kind.
const MAX_ADDRESSES: usize = 64;

/// `[gossip]`, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// From one look at what others show to the next.
    pub interval: Span,
    /// Whether the witnesses of the policies are asked which head they signed last.
    pub witnesses: bool,
    /// Addresses of other monitors, which are asked which head they saw last.
    pub monitors: Vec<String>,
    /// Other addresses at which logs that are followed can be read.
    pub mirrors: Vec<String>,
    /// For how long after a head was seen somewhere a log may show fewer entries at its own address.
    pub rollback_after: Span,
    /// For how long a log may leave open whether a head belongs to what it shows.
    pub unproven_after: Span,
    /// The longest that one request may take.
    pub timeout: Span,
}

/// Whom to ask, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From one look to the next.
    pub interval: Duration,
    /// Whether witnesses are asked.
    pub witnesses: bool,
    /// Other monitors.
    pub monitors: Vec<Location>,
    /// Other addresses of logs.
    pub mirrors: Vec<Location>,
    /// For how long after a head was seen a log may show fewer entries.
    pub rollback_after: Duration,
    /// For how long it may not be known how a head stands.
    pub unproven_after: Duration,
    /// The longest that one request may take.
    pub timeout: Duration,
}

/// `[gossip]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A time of 0.
    #[error("`gossip.{0}` is 0, which would stop the monitor from working; write a value above 0 or remove the line for the default")]
    Zero(&'static str),
    /// Not an address.
    #[error("an address in `gossip.{key}` cannot be used: {error}")]
    Address {
        /// Which list.
        key: &'static str,
        /// What is wrong.
        error: InvalidLocation,
    },
    /// A directory where a server has to be.
    #[error("`gossip.monitors` lists something that is no address of a server; write addresses such as \"https://monitor.example\"")]
    NoServer,
    /// Too many.
    #[error("`gossip.{0}` lists more than {MAX_ADDRESSES} addresses; leave some out")]
    TooMany(&'static str),
}

impl Default for Section {
    fn default() -> Self {
        Section {
            interval: Span::seconds(30),
            witnesses: true,
            monitors: Vec::new(),
            mirrors: Vec::new(),
            rollback_after: Span::seconds(600),
            unproven_after: Span::seconds(600),
            timeout: Span::seconds(15),
        }
    }
}

impl Section {
    /// Checks every value.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        for (key, span) in [("interval", self.interval), ("timeout", self.timeout)] {
            if span.0.is_zero() {
                return Err(SettingsError::Zero(key));
            }
        }
        let monitors = locations("monitors", &self.monitors)?;
        if monitors.iter().any(|monitor| matches!(monitor, Location::Directory(_))) {
            return Err(SettingsError::NoServer);
        }
        Ok(Settings {
            interval: self.interval.0,
            witnesses: self.witnesses,
            monitors,
            mirrors: locations("mirrors", &self.mirrors)?,
            rollback_after: self.rollback_after.0,
            unproven_after: self.unproven_after.0,
            timeout: self.timeout.0,
        })
    }
}

fn locations(key: &'static str, addresses: &[String]) -> Result<Vec<Location>, SettingsError> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(SettingsError::TooMany(key));
    }
    addresses.iter().map(|address| address.parse().map_err(|error| SettingsError::Address { key, error })).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        assert!(Section::default().validate().is_ok());
        let refused = |section: Section| section.validate().unwrap_err().to_string();
        assert!(refused(Section { interval: Span::seconds(0), ..Section::default() }).contains("`gossip.interval`"));
        assert!(refused(Section { monitors: vec!["/srv/x".into()], ..Section::default() }).contains("no address of a server"));
        assert!(refused(Section { mirrors: vec!["ftp://x".into()], ..Section::default() }).contains("`gossip.mirrors`"));
        assert!(refused(Section { mirrors: vec!["https://x".into(); 65], ..Section::default() }).contains("more than 64"));
    }
}
