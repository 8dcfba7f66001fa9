//! Having one witness cosign a log's head by hand (C2SP tlog-witness): what a log does by itself for every head, for whoever wants to see
//! a witness answer, try a new one, or bring one up to date.
//!
//! Invariant: of a witness's answer only verified lines are believed. What it tells of sizes decides where the next proof begins, no more.

use bytes::Bytes;
use tlog::TreeSize;
use tlog::cosignature::Cosignature;
use tlog::key::VerifierKey;
use tlog::note::MAX_NOTE;
use tlog::tiles::Plan;
use tlog::witness::{AddCheckpoint, RequestError, parse_conflict, parse_cosignatures};

use crate::location::Location;
use crate::source::http::{Answer, Text};
use crate::source::{FetchError, Http, Options};
use crate::verified::{ReadError, VerifiedLog};

/// How often a head is sent: from nothing, from the size that the witness then tells, and once more should that have moved.
const MAX_ATTEMPTS: usize = 3;

/// A witness, by the address that logs submit to.
#[derive(Debug)]
pub struct Witness {
    http: Http,
}

/// What a witness answered that has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Those of its lines that one of the known keys made, in the order of the answer; at least one.
    pub lines: Vec<Cosignature>,
    /// How many lines it sent besides.
    pub unknown: usize,
}

/// Why a head was not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// The witness is given as a directory.
    #[error("a witness is asked over http:// or https://; give its address")]
    NotAServer,
    /// It did not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The request cannot be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It has seen more of the log.
    #[error(
        "the witness has cosigned a head of {latest} entries, and the log at this address has {size}: it went back, is a copy of another one, or \
         is behind"
    )]
    Ahead {
        /// What the witness has seen.
        latest: TreeSize,
        /// What the log has.
        size: TreeSize,
    },
    /// It will not sign.
    #[error("the witness refused (HTTP status {status}): {reason}")]
    Refused {
        /// The HTTP status, whose meaning tlog-witness gives.
        status: u16,
        /// What it said, made fit to print.
        reason: Text,
    },
    /// It signed with a key that is not known, so nobody can say that it signed at all.
    #[error(
        "{} came back, of no key that the policy lists as a witness's, so nothing says that they are good: add the witness's lines to the \
         policy, which `acta-witness init` printed for its operator",
        if *lines == 1 { "a signature line".to_owned() } else { format!("{lines} signature lines") }
    )]
    UnknownKeys {
        /// How many lines it sent.
        lines: usize,
    },
    /// A line of a known key does not verify.
    #[error("the witness's answer has a bad signature of {key}: do not rely on it, and ask its operator")]
    BadSignature {
        /// Whose.
        key: Box<VerifierKey>,
    },
    /// Its answer is no answer of a witness.
    #[error("the witness's answer cannot be read; is this the address of a witness?")]
    Garbled,
    /// It tells another size each time.
    #[error("the witness told another size each time; perhaps the log has it cosign at this very moment; try again")]
    Unsettled,
}

impl CosignError {
    /// Whether the witness or the log was not to be had, rather than saying no.
    pub fn is_unavailable(&self) -> bool {
        match self {
            CosignError::Fetch(_) | CosignError::Unsettled => true,
            CosignError::Read(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

impl Witness {
    /// Prepares to ask the witness at this submission prefix. Nothing is sent yet.
    pub fn new(location: &Location, options: &Options) -> Result<Self, CosignError> {
        match location {
            Location::Remote(url) => Ok(Witness { http: Http::new(url.clone(), options)? }),
            Location::Directory(_) => Err(CosignError::NotAServer),
        }
    }

    /// Has the head of `log` cosigned by at least one of `keys`. Lines of other keys are only counted.
    pub async fn cosign(&self, log: &VerifiedLog, keys: &[VerifierKey]) -> Result<Cosigned, CosignError> {
        // SPEC: tlog-witness §add-checkpoint: a client that does not know the latest size can ask with zero, and is told.
        let mut old = TreeSize::ZERO;
        for _ in 0..MAX_ATTEMPTS {
            let request = AddCheckpoint::new(old, proof(log, old).await?, log.head().signed().clone())?;
            let answer = self.http.exchange("add-checkpoint", Bytes::from(request.to_bytes()), MAX_NOTE).await?;
            match answer.status {
                200 => return cosigned(&answer, log, keys),
                409 => old = told_size(&answer, log.size())?,
                status => return Err(CosignError::Refused { status, reason: said(&answer) }),
            }
        }
        Err(CosignError::Unsettled)
    }
}

/// That the log's head continues the one of `old` entries.
async fn proof(log: &VerifiedLog, old: TreeSize) -> Result<Vec<tlog::Hash>, ReadError> {
    // SPEC: tlog-witness §add-checkpoint: from size zero the proof is empty; from the same size there is nothing to prove.
    if old == TreeSize::ZERO || old == log.size() {
        return Ok(Vec::new());
    }
    let mut plan = Plan::new(log.size());
    plan.consistency(old)?;
    Ok(log.tiles(plan).await?.prove_consistency(old).expect("the plan has what this proof needs"))
}

fn told_size(answer: &Answer, size: TreeSize) -> Result<TreeSize, CosignError> {
    let latest = parse_conflict(&answer.body).map_err(|_| CosignError::Garbled)?;
    if latest > size { Err(CosignError::Ahead { latest, size }) } else { Ok(latest) }
}

fn cosigned(answer: &Answer, log: &VerifiedLog, keys: &[VerifierKey]) -> Result<Cosigned, CosignError> {
    let all = parse_cosignatures(&answer.body).map_err(|_| CosignError::Garbled)?;
    let mut lines = Vec::new();
    for line in &all {
        // SPEC: tlog-witness §add-checkpoint: the client MUST ignore any cosignatures from unknown keys.
        let Some(key) = keys.iter().find(|key| line.is_of(key)) else { continue };
        let verified = Cosignature::verify(line, log.checkpoint(), key);
        lines.push(verified.map_err(|_| CosignError::BadSignature { key: Box::new(key.clone()) })?);
    }
    if lines.is_empty() {
        Err(CosignError::UnknownKeys { lines: all.len() })
    } else {
        Ok(Cosigned { unknown: all.len() - lines.len(), lines })
    }
}

fn said(answer: &Answer) -> Text {
    Text::new(String::from_utf8_lossy(&answer.body).trim_end())
}
