//! Decisions that are alike and have nothing to do with each other.
//!
//! Two things make decisions alike, each in its file: the very same document ([`documents`]), and nearly the same words by another issuer
//! ([`words`]). Either says little if one decision refers to the other: a correction repeats what it corrects, and a judgment names what it
//! is about. So relations are kept here, and decisions are unrelated if no chain of relations, in either direction from a common entry,
//! leads from one to the other.
//!
//! What was found of a decision is gone when something takes its place, or when a later statement relates to both.

mod documents;
mod words;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::{decision, encode, numbered, read};
use crate::check::{Check, Judged, Outcome, Related, Rows};
use crate::finding::Code;
use crate::store::StoreError;

pub(super) struct Alike {
    documents: documents::Documents,
    words: words::Words,
}

/// The most entries of a chain that are looked at. Beyond, decisions may be taken for unrelated that are not.
const MAX_CHAIN: usize = 256;

/// What was found of a decision: key `o`, its index.
#[derive(Serialize, Deserialize)]
struct Open {
    /// Under which code: the first of [`CODES`] is 0.
    code: u8,
    subject: Box<str>,
    /// The other decision.
    other: u64,
}

const CODES: [Code; 2] = [Code::SHARED_DOCUMENT, Code::NEAR_DUPLICATE];

/// How many findings of one decision are remembered so that they can be resolved.
const MAX_OPEN: usize = 64;

/// All entries that a chain of relations leads to from an entry, and that itself; worked out when it is first asked for.
struct Chain<'a> {
    index: u64,
    related: &'a [Related],
    reached: Option<BTreeSet<u64>>,
}

impl Alike {
    pub(super) fn new(settings: &Settings) -> Self {
        Alike { documents: documents::Documents::new(settings), words: words::Words::new(settings) }
    }
}

impl Check for Alike {
    fn name(&self) -> &'static str {
        "alike"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        if numbered(entry).is_none() {
            return Ok(());
        }
        let mut chain = Chain { index: entry.index.as_u64(), related: entry.related, reached: None };
        if !entry.related.is_empty() {
            let related: Vec<u64> = entry.related.iter().map(|related| related.index.as_u64()).collect();
            rows.put(&relations_key(chain.index), encode(&related));
            resolve(rows, &mut chain, out)?;
        }
        let Some(decision) = decision(entry) else { return Ok(()) };
        self.documents.entry(rows, decision, &mut chain, out)?;
        self.words.entry(rows, decision, &mut chain, out)
    }
}

/// What was found of the decisions that an entry relates to is gone if it takes their place, or joins them with the other.
fn resolve(rows: &mut Rows<'_, '_>, chain: &mut Chain<'_>, out: &mut Outcome) -> Result<(), StoreError> {
    for related in chain.related {
        let key = open_key(related.index.as_u64());
        let Some(open) = read::<Vec<Open>>(rows, &key)? else { continue };
        let mut left = Vec::new();
        for open in open {
            if related.rel.is_succession() || chain.reached(rows)?.contains(&open.other) {
                out.clear(CODES[usize::from(open.code.min(1))].clone(), open.subject);
            } else {
                left.push(open);
            }
        }
        if left.is_empty() { rows.delete(&key) } else { rows.put(&key, encode(&left)) }
    }
    Ok(())
}

/// Remembers what was found of two decisions, so that it can be resolved by either.
fn remember(rows: &mut Rows<'_, '_>, code: u8, subject: &str, one: u64, other: u64) -> Result<(), StoreError> {
    for (index, other) in [(one, other), (other, one)] {
        let key = open_key(index);
        let mut open: Vec<Open> = read(rows, &key)?.unwrap_or_default();
        if open.len() < MAX_OPEN {
            open.push(Open { code, subject: subject.into(), other });
            rows.put(&key, encode(&open));
        }
    }
    Ok(())
}

impl Chain<'_> {
    fn reached(&mut self, rows: &Rows<'_, '_>) -> Result<&BTreeSet<u64>, StoreError> {
        if self.reached.is_none() {
            self.reached = Some(reached(rows, self.index, self.related.iter().map(|related| related.index.as_u64()).collect())?);
        }
        Ok(self.reached.get_or_insert_default())
    }

    /// Whether no chain leads from one to the other, nor from both to a third.
    fn is_unrelated(&mut self, rows: &Rows<'_, '_>, other: u64) -> Result<bool, StoreError> {
        let theirs = reached(rows, other, read(rows, &relations_key(other))?.unwrap_or_default())?;
        Ok(self.reached(rows)?.is_disjoint(&theirs))
    }
}

/// All that a chain of relations leads to, from an entry with these relations.
fn reached(rows: &Rows<'_, '_>, index: u64, mut ahead: Vec<u64>) -> Result<BTreeSet<u64>, StoreError> {
    let mut reached = BTreeSet::from([index]);
    while let Some(next) = ahead.pop().filter(|_| reached.len() < MAX_CHAIN) {
        if reached.insert(next) {
            ahead.extend(read::<Vec<u64>>(rows, &relations_key(next))?.unwrap_or_default());
        }
    }
    Ok(reached)
}

fn relations_key(index: u64) -> Vec<u8> {
    [b"c".as_slice(), &index.to_be_bytes()].concat()
}

fn open_key(index: u64) -> Vec<u8> {
    [b"o".as_slice(), &index.to_be_bytes()].concat()
}

/// Spreads the bits of texts over 64 (FNV-1a, and a last mix since it leaves the upper bits of short texts alike). Whoever looks for
/// collisions finds them: all that they gain is a comparison, or that theirs is not made.
fn hash(text: &[u8]) -> u64 {
    let sum = text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    mix(sum)
}

/// A permutation of the 64-bit numbers that looks random (the finalizer of MurmurHash 3).
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}
