//! `[ocds]` as it is written, and as it is used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `[ocds]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Whether procurement decisions are looked at at all.
    pub enabled: bool,
    /// R003: how many whole days there must be to bid.
    pub submission_days: u32,
    /// R003: the same for procedures by their name, as `tender.procurementMethodDetails` has it.
    pub submission_days_of: BTreeMap<String, u32>,
    /// R018: procurement methods in which there should be competition.
    pub competitive_methods: Vec<String>,
    /// R024, R028: procedures, by their name, whose prices say nothing.
    pub fixed_prices: Vec<String>,
    /// R024: how close the second price may come, as a share of the winning one; 0: what is unusual for its issuer.
    pub close_price: f64,
    /// R038: which share of bids may be disqualified; 0: what is unusual for its issuer.
    pub disqualified_share: f64,
    /// R038: bidders with fewer bids are left out.
    pub min_bids: u32,
    /// R038: buyers with fewer contracting processes are left out.
    pub min_processes: u32,
    /// R024, R038: how many there must be before anything is said to be unusual among them.
    pub min_population: u32,
}

impl Default for Section {
    fn default() -> Self {
        Section {
            enabled: true,
            submission_days: 15,
            submission_days_of: BTreeMap::new(),
            competitive_methods: vec!["open".into(), "selective".into()],
            fixed_prices: Vec::new(),
            close_price: 0.0,
            disqualified_share: 0.0,
            min_bids: 2,
            min_processes: 2,
            min_population: 20,
        }
    }
}

/// Settings of the flags that make sense.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) enabled: bool,
    pub(super) submission_days: i64,
    pub(super) submission_days_of: BTreeMap<String, u32>,
    pub(super) competitive_methods: Vec<String>,
    pub(super) fixed_prices: Vec<String>,
    pub(super) close_price: Option<f64>,
    pub(super) disqualified_share: Option<f64>,
    pub(super) min_bids: u64,
    pub(super) min_processes: u64,
    pub(super) min_population: u64,
}

/// The section `[ocds]` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A share that is none.
    #[error("`ocds.{key}` is not a share; write a number between 0 and 1, such as 0.05, or 0 for what is unusual for its issuer")]
    Share {
        /// Which.
        key: &'static str,
    },
    /// Too few to know what is usual.
    #[error("`ocds.min_population` is below 4, of which nothing is unusual; write a larger number, or remove the line for the default")]
    Population,
}

impl Section {
    /// The same, if it makes sense.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        if self.min_population < 4 {
            return Err(SettingsError::Population);
        }
        Ok(Settings {
            enabled: self.enabled,
            submission_days: self.submission_days.into(),
            submission_days_of: self.submission_days_of,
            competitive_methods: self.competitive_methods,
            fixed_prices: self.fixed_prices,
            close_price: share("close_price", self.close_price)?,
            disqualified_share: share("disqualified_share", self.disqualified_share)?,
            min_bids: self.min_bids.into(),
            min_processes: self.min_processes.into(),
            min_population: self.min_population.into(),
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Section::default().validate().expect("the defaults make sense")
    }
}

fn share(key: &'static str, value: f64) -> Result<Option<f64>, SettingsError> {
    match value {
        0.0 => Ok(None),
        value if value > 0.0 && value <= 1.0 => Ok(Some(value)),
        _ => Err(SettingsError::Share { key }),
    }
}
