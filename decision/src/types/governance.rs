//! Statements about who may decide: charter, registrars, issuers, keys.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::{Line, at_most, some};
use super::value::{InvalidValue, IssuerId, Kind, KindPattern, Lang, SeriesName, Timestamp, Vkey};

/// Which entries a log takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdmissionMode {
    /// Statements that the rules admit.
    Statements,
    /// Any bytes.
    Open,
}

/// Entry 0, signed by the log: who decides about issuers from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charter {
    /// The log's name.
    pub log: Line<256>,
    /// When the log was created.
    pub issued: Timestamp,
    /// The version of the rules: 1.
    pub version: u64,
    /// The registrars and their threshold.
    #[serde(flatten)]
    pub by: Registrars,
    /// Which entries the log takes in.
    pub admission: AdmissionMode,
}

/// Those who register issuers, and how many of them it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registrars {
    /// Their keys, 1 to 32, none twice.
    #[serde(deserialize_with = "at_most::<_, _, 32>")]
    pub registrars: Vec<Vkey>,
    /// How many of them must sign.
    pub threshold: u16,
}

impl Registrars {
    /// Whether this is a set of registrars: somebody, none twice, and a threshold that they can reach.
    pub fn is_sound(&self) -> bool {
        let distinct = self.registrars.iter().enumerate().all(|(i, key)| self.registrars[..i].iter().all(|other| !same_key(key, other)));
        distinct && self.threshold >= 1 && usize::from(self.threshold) <= self.registrars.len()
    }
}

/// Whether two keys cannot be told apart, or are one person's: the same name and id, or the same public key under two names.
fn same_key(one: &Vkey, other: &Vkey) -> bool {
    one.name_and_id() == other.name_and_id() || one.verifier_key().same_public_key(&other.verifier_key())
}

/// Replaces the registrars or their threshold; signed by as many of the present ones as their threshold says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegistrarChange {
    /// The log's name.
    pub log: Line<256>,
    /// When it was issued.
    pub issued: Timestamp,
    /// Who it will be.
    #[serde(flatten)]
    pub by: Registrars,
}

/// Registers an issuer, or changes its registration: names, kinds and the rest are replaced, keys are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// The log's name.
    pub log: Line<256>,
    /// Who is registered.
    pub issuer: IssuerId,
    /// When it was issued.
    pub issued: Timestamp,
    /// What people call it, by language.
    pub names: BTreeMap<Lang, Line<256>>,
    /// Keys that are added by this statement, at most 16; each has signed it.
    #[serde(default, deserialize_with = "at_most::<_, _, 16>", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Vkey>,
    /// What it may issue.
    #[serde(deserialize_with = "at_most::<_, _, 256>")]
    pub kinds: Vec<KindPattern>,
    /// Whose decisions it may correct, supersede or revoke besides its own: for courts and superiors.
    #[serde(default, deserialize_with = "at_most::<_, _, 256>", skip_serializing_if = "Vec::is_empty")]
    pub may_overrule: Vec<Overrule>,
    /// When it publishes.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// The series that it announces.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Announced>,
    /// How people reach it.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub contact: Option<Line<512>>,
    /// Whether it has ended: it issues nothing any more, what it issued stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// The decisions of others that an issuer may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overrule {
    /// Whose.
    pub issuer: IssuerPattern,
    /// Of which kinds.
    #[serde(deserialize_with = "at_most::<_, _, 256>")]
    pub kinds: Vec<KindPattern>,
}

impl Overrule {
    /// Whether it covers a decision of `kind` by `issuer`.
    pub fn covers(&self, issuer: &IssuerId, kind: &Kind) -> bool {
        self.issuer.matches(issuer) && self.kinds.iter().any(|pattern| pattern.matches(kind))
    }
}

/// One issuer, or all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IssuerPattern {
    /// `*`.
    Any,
    /// This one.
    One(IssuerId),
}

impl IssuerPattern {
    /// Whether it means `issuer`.
    pub fn matches(&self, issuer: &IssuerId) -> bool {
        match self {
            IssuerPattern::Any => true,
            IssuerPattern::One(one) => one == issuer,
        }
    }
}

impl FromStr for IssuerPattern {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text == "*" { Ok(IssuerPattern::Any) } else { text.parse().map(IssuerPattern::One) }
    }
}

impl TryFrom<String> for IssuerPattern {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<IssuerPattern> for String {
    fn from(pattern: IssuerPattern) -> String {
        match pattern {
            IssuerPattern::Any => "*".into(),
            IssuerPattern::One(one) => one.into(),
        }
    }
}

/// When an issuer publishes. What is published at other times is worth a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hours {
    /// On which days, such as `mon` or `mon-fri`.
    #[serde(deserialize_with = "at_most::<_, _, 7>")]
    pub days: Vec<Line<16>>,
    /// From when, as 09:00.
    pub from: Line<5>,
    /// Until when, as 17:30.
    pub until: Line<5>,
    /// In which time zone, such as Europe/London.
    pub zone: Line<64>,
}

/// A series that an issuer will use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// Its name.
    pub name: SeriesName,
    /// What it counts.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub title: Option<Line<256>>,
}

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyAction {
    /// It may sign from the next entry on.
    Add,
    /// It may not sign any more.
    Retire,
}

/// Adds a key of an issuer or retires one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The log's name.
    pub log: Line<256>,
    /// Whose key.
    pub issuer: IssuerId,
    /// When it was issued.
    pub issued: Timestamp,
    /// What happens to it.
    pub action: KeyAction,
    /// Which key.
    pub key: Vkey,
    /// The index from which on what the key signed is in doubt; only registrars say so, when they retire it.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub doubt_from: Option<u64>,
}
