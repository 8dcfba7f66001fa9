//! Decisions, and annotations to them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Line, at_most, some};
use super::value::{Currency, Date, Decimal, Digest, IssuerId, Kind, Lang, LeafHash, SeriesName, Sha256, Timestamp};

/// The largest number of a series: the largest integer that all readers of JSON agree on.
pub const MAX_SEQ: u64 = (1 << 53) - 1;

/// A place in one of an issuer's series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Number {
    /// Which counter.
    pub series: SeriesName,
    /// Its value, from 1 to [`MAX_SEQ`].
    pub seq: u64,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.series, self.seq)
    }
}

fn seq<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seq = u64::deserialize(deserializer)?;
    if (1..=MAX_SEQ).contains(&seq) {
        return Ok(seq);
    }
    Err(serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(seq), &"a number of a series: they start at 1"))
}

/// How a statement relates to an earlier entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Puts an error right; the decision stays what it was meant to be.
    Corrects,
    /// Decides anew.
    Supersedes,
    /// Ends it.
    Revokes,
    /// Contests it.
    Appeals,
    /// Mentions it.
    Refers,
}

impl Relation {
    /// Whether it takes the earlier decision's place: such relations form chains.
    pub fn is_succession(self) -> bool {
        match self {
            Relation::Corrects | Relation::Supersedes | Relation::Revokes => true,
            Relation::Appeals | Relation::Refers => false,
        }
    }

    /// As it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Corrects => "corrects",
            Relation::Supersedes => "supersedes",
            Relation::Revokes => "revokes",
            Relation::Appeals => "appeals",
            Relation::Refers => "refers",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An earlier entry, and how this statement relates to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relates {
    /// How.
    pub rel: Relation,
    /// Where the entry is.
    pub index: u64,
    /// Its leaf hash, so that it is certain which one is meant.
    pub leaf: LeafHash,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The log's name.
    pub log: Line<256>,
    /// Who decided.
    pub issuer: IssuerId,
    /// When it was signed.
    pub issued: Timestamp,
    /// The language of its texts.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    /// Which of the issuer's counters gives its number.
    pub series: SeriesName,
    /// Its number, from 1 to [`MAX_SEQ`].
    #[serde(deserialize_with = "seq")]
    pub seq: u64,
    /// What kind of decision.
    pub kind: Kind,
    /// What was decided about, in a line.
    pub subject: Line<1024>,
    /// What was decided, as a code.
    pub outcome: Line<128>,
    /// The day of the decision.
    pub decided: Date,
    /// The day from which it holds.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub effective: Option<Date>,
    /// The last day on which it holds.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// The part of the issuer that decided.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub unit: Option<Line<256>>,
    /// Who signed it on paper, by office.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub signatories: Vec<Line<256>>,
    /// On what law it rests.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub legal_basis: Vec<Line<512>>,
    /// Where.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whom it concerns.
    #[serde(default, deserialize_with = "at_most::<_, _, 256>", skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<Party>,
    /// How much money.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Documents that belong to it; they are kept elsewhere.
    #[serde(default, deserialize_with = "at_most::<_, _, 256>", skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    /// Earlier entries that it relates to.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub relates: Vec<Relates>,
    /// Data for machines, of the schema that it names.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// Digests of sealed fields.
    #[serde(default, rename = "_sd", deserialize_with = "at_most::<_, _, 256>", skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<Digest>,
}

/// A place on earth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// As people write it.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub address: Option<Line<512>>,
    /// A point of GeoJSON (RFC 7946): longitude and latitude in degrees.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// Digests of sealed fields.
    #[serde(default, rename = "_sd", deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<Digest>,
}

/// A point of GeoJSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Point {
    /// The only kind of geometry that a place has.
    Point {
        /// Longitude and latitude in degrees.
        coordinates: [f64; 2],
    },
}

/// Somebody whom a decision concerns. Natural persons appear by sealed fields only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// In which role.
    pub role: Line<128>,
    /// The name.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub name: Option<Line<512>>,
    /// The number in a public register.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub id: Option<Line<256>>,
    /// Digests of sealed fields.
    #[serde(default, rename = "_sd", deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<Digest>,
}

/// Money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// How much.
    pub value: Decimal,
    /// Of which currency.
    pub currency: Currency,
}

/// A document that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What it is called.
    pub name: Line<512>,
    /// Its media type, such as application/pdf.
    pub media_type: Line<128>,
    /// Its size in bytes.
    pub size: u64,
    /// What its bytes hash to.
    pub sha256: Sha256,
    /// Where it can be had.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub url: Option<Line<2048>>,
}

/// Data for machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Which schema it follows. All else in it is as that schema says, and is not looked at here.
    pub schema: Line<512>,
}

/// Something about earlier decisions, or about a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// The log's name.
    pub log: Line<256>,
    /// Who says so.
    pub issuer: IssuerId,
    /// When it was signed.
    pub issued: Timestamp,
    /// The language of its text.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    /// Which of the issuer's counters gives its number.
    pub series: SeriesName,
    /// Its number, from 1 to [`MAX_SEQ`]. Of kind `void`: one that was never used. Of kind `close`: the last one of its series.
    #[serde(deserialize_with = "seq")]
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// In words.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub text: Option<Line<4096>>,
    /// Earlier entries that it is about; none is changed by it.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    pub relates: Vec<Relates>,
}

impl Annotation {
    /// The kind that closes a series.
    pub const CLOSE: &str = "close";
    /// The kind that fills a number that was never used.
    pub const VOID: &str = "void";
}
