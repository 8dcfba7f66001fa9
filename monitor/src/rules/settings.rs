//! `[[rule]]` and `[[watch]]` as they are written, and as they are used.

use std::collections::BTreeSet;
use std::str::FromStr;

use decision::types::InvalidValue;
use serde::{Deserialize, Serialize};

#[cfg(feature = "rules")]
use super::expression::ExpressionError;
#[cfg(feature = "rules")]
use super::template::Template;
use super::template::TemplateError;
use super::watch::Watch;
use super::words::Phrase;
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
pub struct Settings {
    #[cfg(feature = "rules")]
    pub(super) rules: Vec<super::rule::Rule>,
    pub(super) watches: Vec<Watch>,
}

/// More rules, or lists, than this are not taken: each is looked at for each entry.
const MAX_COUNT: usize = 256;

/// The longest name.
const MAX_NAME: usize = 64;

/// A rule or a watch list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A name that is none.
    #[error("a [[{section}]] is called {:?}; give it a name of letters, digits, \"-\" and \"_\", at most {MAX_NAME} of them", .name)]
    Name {
        /// `rule` or `watch`.
        section: &'static str,
        /// What it is called.
        name: Box<str>,
    },
    /// Two with one name.
    #[error("two [[{section}]] are called {name}; give one of them another name")]
    Twice {
        /// `rule` or `watch`.
        section: &'static str,
        /// What they are called.
        name: Box<str>,
    },
    /// Too many.
    #[error("there are more than {MAX_COUNT} [[{section}]]; make one of several that belong together")]
    TooMany {
        /// `rule` or `watch`.
        section: &'static str,
    },
    /// An expression that is none.
    #[cfg(feature = "rules")]
    #[error("`when` of the rule {name} cannot be used: {problem}")]
    When {
        /// The rule.
        name: Box<str>,
        /// What is wrong.
        problem: ExpressionError,
    },
    /// This program cannot apply rules.
    #[cfg(not(feature = "rules"))]
    #[error("the rule {name} cannot be applied: this acta-monitor was built without rules; build it with the feature `rules`")]
    NotBuilt {
        /// The rule.
        name: Box<str>,
    },
    /// A text that is no template.
    #[error("`{key}` of the rule {name} cannot be used: {problem}")]
    Template {
        /// The rule.
        name: Box<str>,
        /// `text` or `group`.
        key: &'static str,
        /// What is wrong.
        problem: TemplateError,
    },
    /// A list that everything would fit.
    #[error("the watch list {0} is empty, so that every entry would fit; write what you watch for")]
    EmptyWatch(Box<str>),
    /// An issuer or a kind that is none.
    #[error("`{key}` of the watch list {name}: {problem}")]
    Value {
        /// The list.
        name: Box<str>,
        /// `issuers` or `kinds`.
        key: &'static str,
        /// What is wrong.
        problem: InvalidValue,
    },
    /// Something to look for without a word in it.
    #[error("`{key}` of the watch list {name} has something without a letter or digit; write the words to look for")]
    NoWord {
        /// The list.
        name: Box<str>,
        /// Which key.
        key: &'static str,
    },
    /// A place that is not on earth.
    #[error("`near` of the watch list {0} is no place: latitude is from -90 to 90, longitude from -180 to 180, km above 0")]
    Near(Box<str>),
}

impl Section {
    /// The same, if it makes sense.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        names("rule", self.rules.iter().map(|rule| &rule.name))?;
        names("watch", self.watches.iter().map(|watch| &watch.name))?;
        Ok(Settings {
            #[cfg(feature = "rules")]
            rules: self.rules.into_iter().map(RuleSection::validate).collect::<Result<_, _>>()?,
            watches: {
                #[cfg(not(feature = "rules"))]
                if let Some(rule) = self.rules.first() {
                    return Err(SettingsError::NotBuilt { name: rule.name.as_str().into() });
                }
                self.watches.into_iter().map(WatchSection::validate).collect::<Result<_, _>>()?
            },
        })
    }
}

#[cfg(feature = "rules")]
impl RuleSection {
    fn validate(self) -> Result<super::rule::Rule, SettingsError> {
        let name: Box<str> = self.name.into();
        let when = super::expression::Expression::parse(&self.when);
        let when = when.map_err(|problem| SettingsError::When { name: name.clone(), problem })?;
        let template = |key, text: &str| {
            let parsed = (!text.is_empty()).then(|| Template::parse(text)).transpose();
            parsed.map_err(|problem| SettingsError::Template { name: name.clone(), key, problem })
        };
        let (text, group) = (template("text", &self.text)?.unwrap_or_else(Template::usual), template("group", &self.group)?);
        Ok(super::rule::Rule { name, when, severity: self.severity, text, group })
    }
}

impl WatchSection {
    fn validate(self) -> Result<Watch, SettingsError> {
        let name: Box<str> = self.name.into();
        let lists = [&self.issuers, &self.parties, &self.places, &self.kinds, &self.words];
        if lists.into_iter().all(Vec::is_empty) && self.near.is_none() {
            return Err(SettingsError::EmptyWatch(name));
        }
        let near = self.near.filter(|near| {
            (-90.0..=90.0).contains(&near.latitude) && (-180.0..=180.0).contains(&near.longitude) && near.km > 0.0 && near.km.is_finite()
        });
        if near != self.near {
            return Err(SettingsError::Near(name));
        }
        let phrases = |key, texts: &[String]| {
            let phrases: Option<Vec<_>> = texts.iter().map(|text| Phrase::new(text)).collect();
            phrases.ok_or_else(|| SettingsError::NoWord { name: name.clone(), key })
        };
        Ok(Watch {
            issuers: values(&name, "issuers", &self.issuers)?,
            kinds: values(&name, "kinds", &self.kinds)?,
            parties: phrases("parties", &self.parties)?,
            places: phrases("places", &self.places)?,
            words: phrases("words", &self.words)?,
            near,
            severity: self.severity,
            name,
        })
    }
}

fn names<'a>(section: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), SettingsError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let letters = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
        if name.is_empty() || name.len() > MAX_NAME || !letters {
            return Err(SettingsError::Name { section, name: name.as_str().into() });
        }
        if !seen.insert(name) {
            return Err(SettingsError::Twice { section, name: name.as_str().into() });
        }
        if seen.len() > MAX_COUNT {
            return Err(SettingsError::TooMany { section });
        }
    }
    Ok(())
}

fn values<T: FromStr<Err = InvalidValue>>(name: &str, key: &'static str, texts: &[String]) -> Result<Vec<T>, SettingsError> {
    let parsed = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    parsed.map_err(|problem| SettingsError::Value { name: name.into(), key, problem })
}
