//! The types of statements, as JSON: design and order of fields are those of `decision/schemas/`.
//!
//! Every value has a type that can only hold what may stand there, so a statement that was parsed needs no second look. Fields that are
//! not known are ignored here; the statement's text keeps them, and it is the text that is signed.

mod act;
mod governance;
mod text;
mod value;

pub use act::{Amount, Annotation, Data, Decision, Document, MAX_SEQ, Number, Party, Place, Point, Relates, Relation};
pub use governance::{
    AdmissionMode, Announced, Charter, Hours, IssuerPattern, KeyAction, KeyChange, Overrule, RegistrarChange, Registrars, Registration,
};
pub use text::Line;
pub use value::{
    Currency, Date, Decimal, Digest, InvalidValue, IssuerId, Kind, KindPattern, Lang, LeafHash, SeriesName, Sha256, Timestamp, Vkey,
};

use serde::Serialize;

/// What a statement says. Serializes as the JSON object with its `type`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Body {
    /// The first entry of a log: who decides about issuers.
    Charter(Charter),
    /// Other registrars, or another threshold.
    #[serde(rename = "registrar")]
    RegistrarChange(RegistrarChange),
    /// An issuer is registered, or its registration changed.
    #[serde(rename = "issuer")]
    Registration(Registration),
    /// A key of an issuer is added or retired.
    #[serde(rename = "key")]
    KeyChange(KeyChange),
    /// A decision.
    Decision(Box<Decision>),
    /// Something about earlier decisions, or about a series, that is not a decision.
    Annotation(Annotation),
}

impl Body {
    /// The value of `type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Body::Charter(_) => "charter",
            Body::RegistrarChange(_) => "registrar",
            Body::Registration(_) => "issuer",
            Body::KeyChange(_) => "key",
            Body::Decision(_) => "decision",
            Body::Annotation(_) => "annotation",
        }
    }

    /// The log that it is for.
    pub fn log(&self) -> &str {
        match self {
            Body::Charter(body) => body.log.as_str(),
            Body::RegistrarChange(body) => body.log.as_str(),
            Body::Registration(body) => body.log.as_str(),
            Body::KeyChange(body) => body.log.as_str(),
            Body::Decision(body) => body.log.as_str(),
            Body::Annotation(body) => body.log.as_str(),
        }
    }

    /// When its signers say that they issued it.
    pub fn issued(&self) -> Timestamp {
        match self {
            Body::Charter(body) => body.issued,
            Body::RegistrarChange(body) => body.issued,
            Body::Registration(body) => body.issued,
            Body::KeyChange(body) => body.issued,
            Body::Decision(body) => body.issued,
            Body::Annotation(body) => body.issued,
        }
    }

    /// The issuer that it is of, or about.
    pub fn issuer(&self) -> Option<&IssuerId> {
        match self {
            Body::Charter(_) | Body::RegistrarChange(_) => None,
            Body::Registration(body) => Some(&body.issuer),
            Body::KeyChange(body) => Some(&body.issuer),
            Body::Decision(body) => Some(&body.issuer),
            Body::Annotation(body) => Some(&body.issuer),
        }
    }

    /// The number of a decision or an annotation in its issuer's series.
    pub fn number(&self) -> Option<Number> {
        match self {
            Body::Decision(body) => Some(Number { series: body.series.clone(), seq: body.seq }),
            Body::Annotation(body) => Some(Number { series: body.series.clone(), seq: body.seq }),
            _ => None,
        }
    }
}
