//! What goes over the wire between a log and a witness (C2SP tlog-witness section HTTP Interface).

use std::fmt;

use crate::checkpoint::{SignedCheckpoint, SignedCheckpointError};
use crate::hash::{Hash, TreeSize, parse_decimal};
use crate::merkle::{InvalidSubtree, MAX_PROOF, Subtree};
use crate::note::{MAX_NOTE, NoteError, Signature};

/// The most bytes of a request body.
pub const MAX_REQUEST: usize = MAX_NOTE + 4 * 1024;

/// The body of `add-checkpoint`: a new checkpoint and the proof that it continues one that the witness knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

/// The body of `sign-subtree`: a part of a log, the proof that it belongs to a checkpoint, and that checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignSubtree {
    subtree: Subtree,
    hash: Hash,
    proof: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

/// Why a request to a witness is malformed (400).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// More than [`MAX_REQUEST`] bytes.
    #[error("the request is larger than 132 KiB, more than any proof and checkpoint need; send fewer signatures")]
    TooLarge,
    /// Not UTF-8.
    #[error("the request is not UTF-8 text; send it as tlog-witness describes")]
    NotUtf8,
    /// The first line of `add-checkpoint`.
    #[error("the request must start with a line `old SIZE`, the size in plain decimal digits")]
    OldLine,
    /// The first line of `sign-subtree`.
    #[error("the request must start with a line `subtree START END`, both in plain decimal digits")]
    SubtreeLine,
    /// The range is no subtree.
    #[error(transparent)]
    Subtree(#[from] InvalidSubtree),
    /// The second line of `sign-subtree`.
    #[error("the second line of the request must be the hash of the subtree (base64 of 32 bytes)")]
    SubtreeHash,
    /// The subtree ends after the checkpoint.
    #[error("the subtree ends at {end}, after the checkpoint, which has {size} entries; send a newer checkpoint")]
    BeyondCheckpoint {
        /// The end of the subtree.
        end: u64,
        /// The size of the checkpoint.
        size: TreeSize,
    },
    /// A proof line.
    #[error("line {line} of the request should be a hash of the proof (base64 of 32 bytes) and is not")]
    Hash {
        /// The line, from 1.
        line: usize,
    },
    /// More than 63 hashes.
    #[error("the request has more than {MAX_PROOF} proof lines, more than any proof needs")]
    TooManyHashes,
    /// The checkpoint does not follow.
    #[error("the request has no empty line followed by a checkpoint")]
    NoCheckpoint,
    /// The checkpoint cannot be read.
    #[error("the checkpoint in the request cannot be read: {0}")]
    Checkpoint(SignedCheckpointError),
}

// By hand: `#[from]` would make what the text says already a source as well, and it would be printed twice.
impl From<SignedCheckpointError> for RequestError {
    fn from(error: SignedCheckpointError) -> Self {
        RequestError::Checkpoint(error)
    }
}

/// Splits a request at its first blank line, which ends the proof.
fn split(bytes: &[u8]) -> Result<(&str, &str), RequestError> {
    if bytes.len() > MAX_REQUEST {
        return Err(RequestError::TooLarge);
    }
    let all = str::from_utf8(bytes).map_err(|_| RequestError::NotUtf8)?;
    all.split_once("\n\n").ok_or(RequestError::NoCheckpoint)
}

/// The proof lines, the first of which is line number `first` of the body.
fn parse_proof<'a>(lines: impl Iterator<Item = &'a str>, first: usize) -> Result<Vec<Hash>, RequestError> {
    let mut proof = Vec::new();
    for (line, text) in (first..).zip(lines) {
        // SPEC: tlog-witness §add-checkpoint, §sign-subtree: not more than 63 consistency proof lines.
        if proof.len() == MAX_PROOF {
            return Err(RequestError::TooManyHashes);
        }
        proof.push(Hash::from_base64(text).map_err(|_| RequestError::Hash { line })?);
    }
    Ok(proof)
}

fn write_rest(f: &mut fmt::Formatter<'_>, proof: &[Hash], checkpoint: &SignedCheckpoint) -> fmt::Result {
    proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
    write!(f, "\n{checkpoint}")
}

impl AddCheckpoint {
    /// Puts a request together: `old` is the size that the witness cosigned last, the proof leads from there to the checkpoint.
    pub fn new(old: TreeSize, proof: Vec<Hash>, checkpoint: SignedCheckpoint) -> Result<Self, RequestError> {
        if proof.len() > MAX_PROOF {
            return Err(RequestError::TooManyHashes);
        }
        Ok(AddCheckpoint { old, proof, checkpoint })
    }

    /// Parses a request body of at most [`MAX_REQUEST`] bytes; printing it gives the same bytes again.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        // SPEC: tlog-witness §add-checkpoint: the old size line, proof lines, an empty line, the checkpoint.
        let (head, checkpoint) = split(bytes)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal).ok_or(RequestError::OldLine)?;
        let proof = parse_proof(lines, 2)?;
        AddCheckpoint::new(TreeSize::new(old), proof, SignedCheckpoint::parse(checkpoint.as_bytes())?)
    }

    /// The request body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// The size that the proof starts from.
    pub fn old(&self) -> TreeSize {
        self.old
    }

    /// The consistency proof from there to the checkpoint.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The new checkpoint, unverified.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        write_rest(f, &self.proof, &self.checkpoint)
    }
}

impl SignSubtree {
    /// Puts a request together: the proof leads from the subtree with that hash to the checkpoint, which the witness has cosigned.
    pub fn new(subtree: Subtree, hash: Hash, proof: Vec<Hash>, checkpoint: SignedCheckpoint) -> Result<Self, RequestError> {
        if proof.len() > MAX_PROOF {
            return Err(RequestError::TooManyHashes);
        }
        // SPEC: tlog-witness §sign-subtree: end MUST be less than or equal to the checkpoint size.
        let size = checkpoint.checkpoint().size();
        if subtree.end() > size.as_u64() {
            return Err(RequestError::BeyondCheckpoint { end: subtree.end(), size });
        }
        Ok(SignSubtree { subtree, hash, proof, checkpoint })
    }

    /// Parses a request body of at most [`MAX_REQUEST`] bytes; printing it gives the same bytes again.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        // SPEC: tlog-witness §sign-subtree: the range line, the hash line, proof lines, an empty line, the checkpoint.
        let (head, checkpoint) = split(bytes)?;
        let mut lines = head.split('\n');
        let range = lines.next().and_then(|line| line.strip_prefix("subtree ")).and_then(|range| range.split_once(' '));
        let (start, end) = range.ok_or(RequestError::SubtreeLine)?;
        let (Some(start), Some(end)) = (parse_decimal(start), parse_decimal(end)) else {
            return Err(RequestError::SubtreeLine);
        };
        let hash = lines.next().and_then(|line| Hash::from_base64(line).ok()).ok_or(RequestError::SubtreeHash)?;
        let proof = parse_proof(lines, 3)?;
        SignSubtree::new(Subtree::new(start, end)?, hash, proof, SignedCheckpoint::parse(checkpoint.as_bytes())?)
    }

    /// The request body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Which part of the log.
    pub fn subtree(&self) -> Subtree {
        self.subtree
    }

    /// The hash that it is said to have.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The subtree consistency proof from there to the checkpoint.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The checkpoint, unverified.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

impl fmt::Display for SignSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "subtree {} {}\n{}", self.subtree.start(), self.subtree.end(), self.hash.to_base64())?;
        write_rest(f, &self.proof, &self.checkpoint)
    }
}

/// Why the answer of a witness is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// More bytes than the signatures of a note can have.
    #[error("the witness answered with more than 128 KiB; check its address")]
    TooLarge,
    /// Not UTF-8.
    #[error("the witness's answer is not text; check its address")]
    NotUtf8,
    /// Nothing, or the last line is incomplete.
    #[error("the witness's answer is empty or was cut short; ask again")]
    Incomplete,
    /// A line is no signature.
    #[error("the witness's answer is not a list of signature lines: {0}")]
    Line(NoteError),
    /// Not a size and a newline.
    #[error("the witness did not say in plain decimal digits which size it cosigned last; check its address")]
    Size,
}

/// Parses the body of a good answer of either call: one or more signature lines, of which nothing is verified. Lines of keys that one
/// does not know are to be ignored.
pub fn parse_cosignatures(body: &[u8]) -> Result<Vec<Signature>, ResponseError> {
    if body.len() > MAX_NOTE {
        return Err(ResponseError::TooLarge);
    }
    // SPEC: tlog-witness §add-checkpoint: one or more signature lines, each ending with a newline.
    let text = str::from_utf8(body).map_err(|_| ResponseError::NotUtf8)?;
    let lines = text.strip_suffix('\n').ok_or(ResponseError::Incomplete)?;
    lines.split('\n').map(|line| Signature::parse_line(line).map_err(ResponseError::Line)).collect()
}

/// The body of a good answer: what [`parse_cosignatures`] reads.
pub fn print_cosignatures(lines: &[Signature]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Parses the body by which a witness tells the size that it cosigned last.
pub fn parse_conflict(body: &[u8]) -> Result<TreeSize, ResponseError> {
    // SPEC: tlog-witness §add-checkpoint: the tree size in decimal, followed by a newline.
    let text = str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
    text.and_then(parse_decimal).map(TreeSize::new).ok_or(ResponseError::Size)
}

/// The body by which a witness tells the size that it cosigned last.
pub fn print_conflict(latest: TreeSize) -> String {
    format!("{latest}\n")
}

// Whatever `new` accepts fits into a body that `parse` accepts.
const _: () = assert!(MAX_NOTE + (MAX_PROOF + 1) * 45 + 64 <= MAX_REQUEST);
