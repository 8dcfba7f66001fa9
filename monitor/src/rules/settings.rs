//! `[[rule]]` and `[[watch]]` as they are written, and as they are used.

use serde::{Deserialize, Serialize};

use crate::finding::Severity;

/// All rules and watch lists as they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// `[[rule]]`
    pub rules: Vec<RuleSection>,
    /// `[[watch]]`
    pub watches: Vec<WatchSection>,
}

/// `[[rule]]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSection {
    /// What it is called: letters, digits, `-` and `_`.
    pub name: String,
    /// When it applies: an expression of CEL.
    pub when: String,
    /// How much it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What to say; may name fields in braces, such as `{subject}`.
    pub text: String,
    /// Whom it is about: findings of one rule and group are one alert. Empty: the issuer.
    pub group: String,
}

/// `[[watch]]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchSection {
    /// What it is called: letters, digits, `-` and `_`.
    pub name: String,
    /// Issuers, such as `planning.example`.
    pub issuers: Vec<String>,
    /// Parties: their number in a register, or words of their name.
    pub parties: Vec<String>,
    /// Words of the address.
    pub places: Vec<String>,
    /// Kinds, such as `planning.permit` or `planning.*`.
    pub kinds: Vec<String>,
    /// Words anywhere in the statement's texts.
    pub words: Vec<String>,
    /// A place on earth, and how far around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<NearSection>,
    /// How much it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

/// `near = { latitude = 54.15, longitude = -4.48, km = 5.0 }`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearSection {
    /// In degrees, north.
    pub latitude: f64,
    /// In degrees, east.
    pub longitude: f64,
    /// The distance.
    pub km: f64,
}

/// Rules and watch lists that make sense.
#[derive(Clone, Debug, Default)]
pub struct Settings {}

/// A rule or a watch list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {}

impl Section {
    /// The same, if it makes sense.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        Ok(Settings {})
    }
}
