//! The file of evidence as text, in both directions. `docs/formats.md` says how it is written.

use std::fmt;

use super::{Contradiction, Evidence, HEADER, MAX_EVIDENCE, NoContradiction, ProvenHash, order};
use crate::checkpoint::{SignedCheckpoint, SignedCheckpointError};
use crate::hash::{Hash, parse_decimal};
use crate::merkle::{MAX_PROOF, Subtree};

/// Why some bytes are not a file of evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseEvidenceError {
    /// More than [`MAX_EVIDENCE`] bytes.
    #[error("the file is larger than any evidence; check that this is the right file")]
    TooLarge,
    /// Not UTF-8.
    #[error("this is not a file of evidence: it is not text; check that this is the right file")]
    NotUtf8,
    /// Another first line.
    #[error("this is not a file of evidence: it does not start with the line `{HEADER}`; check that this is the right file")]
    Header,
    /// A line is not what it has to be there.
    #[error("line {line} of the evidence should be {expected} and is not; get the file again from where it came from")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// The file ends too early, or its last line does.
    #[error("the evidence was cut short; get the file again from where it came from")]
    CutShort,
    /// There is more after the end.
    #[error("there is more text after the end of the evidence, from line {line}; get the file again from where it came from")]
    Trailing {
        /// The first line too many, from 1.
        line: usize,
    },
    /// A checkpoint cannot be read.
    #[error("the checkpoint that begins in line {line} of the evidence cannot be read: {error}")]
    Checkpoint {
        /// Its first line, from 1.
        line: usize,
        /// Why not.
        error: SignedCheckpointError,
    },
    /// The checkpoints are not in their order.
    #[error("the two checkpoints of the evidence are in the wrong order, so it was altered; get the file again from where it came from")]
    Order,
    /// The checkpoints do not contradict each other.
    #[error("this file convicts nobody: {0}")]
    NoContradiction(NoContradiction),
}

impl Evidence {
    /// Parses a file of at most [`MAX_EVIDENCE`] bytes; printing it gives the same bytes again. That the two checkpoints contradict each
    /// other is checked here; whether the log signed them is for [`Evidence::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseEvidenceError> {
        if bytes.len() > MAX_EVIDENCE {
            return Err(ParseEvidenceError::TooLarge);
        }
        let text = str::from_utf8(bytes).map_err(|_| ParseEvidenceError::NotUtf8)?;
        let mut lines = Lines { rest: text, number: 0 };
        if lines.next() != Ok(HEADER) {
            return Err(ParseEvidenceError::Header);
        }
        let (heads, contradiction) = match lines.next()? {
            "kind same-size" => ([lines.checkpoint()?, lines.checkpoint()?], Contradiction::SameSize),
            "kind divergent" => {
                let subtree = lines.subtree()?;
                let (one, one_proven) = (lines.checkpoint()?, lines.proven()?);
                let (other, other_proven) = (lines.checkpoint()?, lines.proven()?);
                ([one, other], Contradiction::Divergent { subtree, proven: [one_proven, other_proven] })
            }
            _ => return Err(lines.malformed("`kind same-size` or `kind divergent`")),
        };
        if !lines.rest.is_empty() {
            return Err(ParseEvidenceError::Trailing { line: lines.number + 1 });
        }
        if order(&heads).is_gt() {
            return Err(ParseEvidenceError::Order);
        }
        Evidence::new(heads, contradiction).map_err(ParseEvidenceError::NoContradiction)
    }

    /// The file as bytes: what [`Evidence::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        match self.contradiction() {
            Contradiction::SameSize => {
                writeln!(f, "kind same-size")?;
                self.heads().iter().try_for_each(|head| print_checkpoint(f, head))
            }
            Contradiction::Divergent { subtree, proven } => {
                writeln!(f, "kind divergent\nsubtree {} {}", subtree.start(), subtree.end())?;
                self.heads().iter().zip(proven).try_for_each(|(head, ProvenHash { hash, proof })| {
                    print_checkpoint(f, head)?;
                    writeln!(f, "hash {}\nproof {}", hash.to_base64(), proof.len())?;
                    proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))
                })
            }
        }
    }
}

fn print_checkpoint(f: &mut fmt::Formatter<'_>, head: &SignedCheckpoint) -> fmt::Result {
    let text = head.to_string();
    write!(f, "checkpoint {}\n{text}", text.matches('\n').count())
}

/// What is left of the file, and how many lines were read.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its newline.
    fn next(&mut self) -> Result<&'a str, ParseEvidenceError> {
        let (line, rest) = self.rest.split_once('\n').ok_or(ParseEvidenceError::CutShort)?;
        self.rest = rest;
        self.number += 1;
        Ok(line)
    }

    /// The error for the line that was read last.
    fn malformed(&self, expected: &'static str) -> ParseEvidenceError {
        ParseEvidenceError::Malformed { line: self.number, expected }
    }

    /// The value of a line `NAME VALUE`.
    fn value(&mut self, name: &str, expected: &'static str) -> Result<&'a str, ParseEvidenceError> {
        let line = self.next()?;
        line.strip_prefix(name).and_then(|line| line.strip_prefix(' ')).ok_or_else(|| self.malformed(expected))
    }

    fn checkpoint(&mut self) -> Result<SignedCheckpoint, ParseEvidenceError> {
        let expected = "`checkpoint` and the number of its lines";
        let count = parse_decimal(self.value("checkpoint", expected)?).ok_or_else(|| self.malformed(expected))?;
        let (from, line) = (self.rest, self.number + 1);
        // A count beyond the end of the file ends with it.
        for _ in 0..count {
            self.next()?;
        }
        let note = &from[..from.len() - self.rest.len()];
        SignedCheckpoint::parse(note.as_bytes()).map_err(|error| ParseEvidenceError::Checkpoint { line, error })
    }

    fn subtree(&mut self) -> Result<Subtree, ParseEvidenceError> {
        let expected = "`subtree`, its first entry and the entry after its last";
        let (start, end) = self.value("subtree", expected)?.split_once(' ').ok_or_else(|| self.malformed(expected))?;
        let bounds = parse_decimal(start).zip(parse_decimal(end));
        bounds.and_then(|(start, end)| Subtree::new(start, end).ok()).ok_or_else(|| self.malformed(expected))
    }

    fn proven(&mut self) -> Result<ProvenHash, ParseEvidenceError> {
        let expected = "`hash` and a hash (base64 of 32 bytes)";
        let hash = Hash::from_base64(self.value("hash", expected)?).map_err(|_| self.malformed(expected))?;
        let expected = "`proof` and the number of its lines, at most 63";
        let count = parse_decimal(self.value("proof", expected)?).and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count <= MAX_PROOF).ok_or_else(|| self.malformed(expected))?;
        let mut proof = Vec::with_capacity(count);
        for _ in 0..count {
            let line = self.next()?;
            proof.push(Hash::from_base64(line).map_err(|_| self.malformed("a hash (base64 of 32 bytes)"))?);
        }
        Ok(ProvenHash { hash, proof })
    }
}
