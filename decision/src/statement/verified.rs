//! Statements whose signatures are good.

use tlog::key::{KeyName, VerifierKey};
use tlog::printable::Printable;

use super::{Statement, StatementId};
use crate::types::{Annotation, Body, Charter, IssuerId, KeyChange, Kind, Number, RegistrarChange, Registration, Relates, Timestamp, Vkey};

/// A statement of which every signature line is good, reduced to what the rules look at: it may wait in a queue with many others.
///
/// Whether those who signed were entitled to is not known yet.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    pub(crate) id: StatementId,
    pub(crate) log: Box<str>,
    pub(crate) act: Act,
    /// Who has signed, in the order of the lines.
    pub(crate) signers: Vec<Vkey>,
    issued: Timestamp,
}

/// What a statement does, as far as the rules are concerned.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Charter(Charter),
    RegistrarChange(RegistrarChange),
    Registration(Box<Registration>),
    KeyChange(KeyChange),
    Numbered(Box<Numbered>),
}

/// A decision or an annotation.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) issuer: IssuerId,
    pub(crate) number: Number,
    pub(crate) kind: Kind,
    pub(crate) is_decision: bool,
    pub(crate) relates: Vec<Relates>,
}

impl Numbered {
    /// Whether it states the last number of its series.
    pub(crate) fn closes(&self) -> bool {
        !self.is_decision && self.kind.as_str() == Annotation::CLOSE
    }
}

/// A signature line of a statement is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnverifiedSignature {
    /// A line of a key that this statement cannot need.
    #[error(
        "{} has signed, whose signature this statement does not need: sign with a key that the log has for its issuer, and with nothing else",
        Printable(.0)
    )]
    UnknownSigner(KeyName),
    /// A line that does not fit the text.
    #[error("the signature of {} does not fit the text: the text was changed after it was signed, or another key made it", Printable(.0))]
    BadSignature(KeyName),
}

impl Statement {
    /// Verifies every signature line: each must be of one of `keys`, and good (Ed25519 as in RFC 8032 without cofactor, S < L).
    pub fn verify(self, keys: &[VerifierKey]) -> Result<VerifiedStatement, (Box<Statement>, UnverifiedSignature)> {
        self.verify_kept(keys).map_err(|error| (Box::new(self), error))
    }

    /// The same, for whoever wants to look at the statement afterwards.
    pub fn verify_kept(&self, keys: &[VerifierKey]) -> Result<VerifiedStatement, UnverifiedSignature> {
        Ok(self.verified(self.signers(keys)?))
    }

    /// Which of `keys` have signed, in the order of the lines.
    pub fn signers(&self, keys: &[VerifierKey]) -> Result<Vec<Vkey>, UnverifiedSignature> {
        let one = |line: &tlog::note::Signature| {
            let mut known = keys.iter().filter(|key| line.is_of(key)).peekable();
            if known.peek().is_none() {
                return Err(UnverifiedSignature::UnknownSigner(line.name.clone()));
            }
            let signer = known.find(|key| key.verify_note(self.text(), &line.bytes).is_ok());
            signer.map(Vkey::from).ok_or_else(|| UnverifiedSignature::BadSignature(line.name.clone()))
        };
        self.signatures.iter().map(one).collect()
    }

    fn verified(&self, signers: Vec<Vkey>) -> VerifiedStatement {
        let (id, issued, log) = (self.id(), self.issued(), self.log().into());
        let act = match self.body() {
            Body::Charter(charter) => Act::Charter(charter.clone()),
            Body::RegistrarChange(change) => Act::RegistrarChange(change.clone()),
            Body::Registration(registration) => Act::Registration(Box::new(registration.clone())),
            Body::KeyChange(change) => Act::KeyChange(change.clone()),
            Body::Decision(decision) => Act::Numbered(Box::new(Numbered {
                issuer: decision.issuer.clone(),
                number: Number { series: decision.series.clone(), seq: decision.seq },
                kind: decision.kind.clone(),
                is_decision: true,
                relates: decision.relates.clone(),
            })),
            Body::Annotation(annotation) => Act::Numbered(Box::new(Numbered {
                issuer: annotation.issuer.clone(),
                number: Number { series: annotation.series.clone(), seq: annotation.seq },
                kind: annotation.kind.clone(),
                is_decision: false,
                relates: annotation.relates.clone(),
            })),
        };
        VerifiedStatement { id, log, act, signers, issued }
    }
}

impl VerifiedStatement {
    /// What identifies it.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// When its signers say that they issued it.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// The issuer that it is of, or about.
    pub fn issuer(&self) -> Option<&IssuerId> {
        match &self.act {
            Act::Charter(_) | Act::RegistrarChange(_) => None,
            Act::Registration(registration) => Some(&registration.issuer),
            Act::KeyChange(change) => Some(&change.issuer),
            Act::Numbered(numbered) => Some(&numbered.issuer),
        }
    }

    /// The number of a decision or annotation.
    pub fn number(&self) -> Option<&Number> {
        match &self.act {
            Act::Numbered(numbered) => Some(&numbered.number),
            _ => None,
        }
    }

    /// Who has signed.
    pub fn signers(&self) -> &[Vkey] {
        &self.signers
    }
}
