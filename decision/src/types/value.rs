//! The single values of statements, each with its one spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tlog::Hash;
use tlog::key::{Algorithm, VerifierKey};

/// Why a text cannot stand where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// Not an issuer.
    #[error(
        "an issuer is named like a web address without https:// and without a path, such as planning.example: lower-case letters, digits, \
         dots and hyphens, at most 128 of them"
    )]
    IssuerId,
    /// Not a series.
    #[error("a series has a name like 2026 or 2026-appeals: letters, digits, dots and hyphens, at most 32 of them")]
    SeriesName,
    /// Not a kind.
    #[error("a kind is a code of lower-case words with dots between them, such as planning.permit, of at most 64 characters")]
    Kind,
    /// Not a pattern of kinds.
    #[error("a pattern of kinds is a kind such as planning.permit, a group such as planning.*, or * for all")]
    KindPattern,
    /// Not a verifier key that can sign statements.
    #[error("this is not a verifier key (vkey) of type Ed25519: take the one line that `acta keygen` wrote to the .vkey file")]
    Vkey,
    /// Not a time.
    #[error("a time is written in UTC and to the second, as 2026-03-01T09:30:00Z")]
    Timestamp,
    /// Not a date.
    #[error("a date is written as 2026-03-01")]
    Date,
    /// Not a language.
    #[error("a language is a code such as en, fr or de-CH")]
    Lang,
    /// Not an amount.
    #[error("an amount is a decimal number in a text, such as \"1240000.00\", without leading zeros, at most 30 digits")]
    Decimal,
    /// Not a currency.
    #[error("a currency is three capital letters, such as EUR")]
    Currency,
    /// Not a hash.
    #[error("a SHA-256 hash is written as 64 lower-case hexadecimal digits")]
    Sha256,
    /// Not a digest of a sealed field.
    #[error("the digest of a sealed field is the SHA-256 of its disclosure as 43 characters of base64url")]
    Digest,
    /// Not a line of text.
    #[error("a line of text is not empty, has no control characters, and is not longer than its field allows")]
    Line,
}

/// A text type that holds only what `check` accepts, and serializes as a JSON string.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $invalid:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok($name(text.into())) } else { Err($invalid) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok($name(text.into())) } else { Err($invalid) }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value!(
    /// Who issues decisions: the name that its keys start with, such as `planning.example`.
    IssuerId,
    InvalidValue::IssuerId,
    |text| text.len() <= 128 && words(text, '.', |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
);

text_value!(
    /// One of an issuer's counters, such as `2026`.
    SeriesName,
    InvalidValue::SeriesName,
    |text| text.len() <= 32 && words(text, '.', |c| c.is_ascii_alphanumeric() || c == b'-')
);

text_value!(
    /// What kind of decision, as a dotted code: `planning.permit`.
    Kind,
    InvalidValue::Kind,
    is_kind
);

text_value!(
    /// Kinds that an issuer may issue: `planning.permit`, `planning.*` or `*`.
    ///
    /// ```
    /// use decision::types::KindPattern;
    ///
    /// let pattern: KindPattern = "planning.*".parse()?;
    /// assert!(pattern.matches(&"planning.permit".parse()?) && pattern.matches(&"planning.permit.minor".parse()?));
    /// assert!(!pattern.matches(&"planning".parse()?) && !pattern.matches(&"planningx.permit".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    KindPattern,
    InvalidValue::KindPattern,
    |text| text == "*" || is_kind(text.strip_suffix(".*").unwrap_or(text))
);

text_value!(
    /// A language, as in BCP 47.
    Lang,
    InvalidValue::Lang,
    |text| text.len() <= 35 && text.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric()))
        && text.split('-').next().is_some_and(|part| part.len() >= 2 && part.bytes().all(|c| c.is_ascii_alphabetic()))
);

text_value!(
    /// An exact decimal number, such as `1240000.00`.
    Decimal,
    InvalidValue::Decimal,
    is_decimal
);

text_value!(
    /// A currency of ISO 4217.
    Currency,
    InvalidValue::Currency,
    |text| text.len() == 3 && text.bytes().all(|c| c.is_ascii_uppercase())
);

text_value!(
    /// The SHA-256 of a document.
    Sha256,
    InvalidValue::Sha256,
    |text| Hash::from_hex(text).is_ok()
);

text_value!(
    /// The digest that stands for a sealed field (RFC 9901 section 4.2.3).
    Digest,
    InvalidValue::Digest,
    // 43 characters are 258 bits: the last one has two that must be zero, or one digest had four spellings.
    |text| text.len() == 43
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        && text.bytes().last().is_some_and(|c| b"AEIMQUYcgkosw048".contains(&c))
);

text_value!(
    /// A verifier key for statements: Ed25519, as the text that C2SP signed-note calls a vkey.
    Vkey,
    InvalidValue::Vkey,
    |text| text.len() <= 512 && text.parse::<VerifierKey>().is_ok_and(|key| key.algorithm() == Algorithm::Ed25519 && key.to_string() == text)
);

impl KindPattern {
    /// Whether it allows `kind`.
    pub fn matches(&self, kind: &Kind) -> bool {
        match self.0.strip_suffix('*') {
            Some(group) => kind.0.starts_with(group),
            None => self.0 == kind.0,
        }
    }
}

impl Vkey {
    /// The key itself. Decompressing it costs as much as a tenth of a verification.
    pub fn verifier_key(&self) -> VerifierKey {
        self.0.parse().expect("it was parsed when it was made")
    }

    /// The key's name: the part before the first `+`.
    pub fn name(&self) -> &str {
        self.0.split('+').next().unwrap_or_default()
    }

    /// Name and id, by which signature lines name their key.
    pub fn name_and_id(&self) -> &str {
        // The third part is base64 and may have the sign in it, the first two may not.
        let id = self.name().len() + 1;
        self.0.get(..id + 8).unwrap_or(&self.0)
    }

    /// Whether it is named for `issuer`: as the issuer itself, or as the issuer and a path.
    pub fn is_named_for(&self, issuer: &IssuerId) -> bool {
        self.name().strip_prefix(issuer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl From<&VerifierKey> for Vkey {
    /// Of any algorithm: what is made of a key that verified something need not be an Ed25519 key.
    fn from(key: &VerifierKey) -> Self {
        Vkey(key.to_string().into())
    }
}

/// A moment in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Seconds since 1970. `None` before the year −9999 or after 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        jiff::Timestamp::from_second(seconds).ok().filter(|time| time.to_string().len() == 20).map(Timestamp)
    }

    /// Seconds since 1970.
    pub fn as_unix(self) -> i64 {
        self.0.as_second()
    }
}

impl FromStr for Timestamp {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidValue::Timestamp)?;
        // One spelling: what is not printed so was not written so. Also refuses leap seconds and fractions.
        if text.len() == 20 && time.to_string() == text { Ok(Timestamp(time)) } else { Err(InvalidValue::Timestamp) }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(
    /// A day of the calendar.
    Date,
    InvalidValue::Date,
    |text| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text)
);

/// The leaf hash of an entry, as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LeafHash(pub Hash);

impl TryFrom<String> for LeafHash {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Hash::from_hex(&text).map(LeafHash).map_err(|_| InvalidValue::Sha256)
    }
}

impl From<LeafHash> for String {
    fn from(leaf: LeafHash) -> String {
        leaf.0.to_hex()
    }
}

/// Words of allowed bytes with a separator between them, and no word that starts or ends with a hyphen.
fn words(text: &str, separator: char, allowed: fn(u8) -> bool) -> bool {
    text.split(separator).all(|word| !word.is_empty() && !word.starts_with('-') && !word.ends_with('-') && word.bytes().all(allowed))
}

fn is_kind(text: &str) -> bool {
    text.len() <= 64 && words(text, '.', |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, fraction)| (whole, Some(fraction)));
    text.len() <= 32 && digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}
