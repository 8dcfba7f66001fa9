//! How a check is written.
//!
//! A check looks at entries in their order and at the clock, keeps rows of its own, and says what is the case. It is a pure function of these:
//! it reads no clock, no file and no network, so a log that is followed again gives the same findings, and a test needs nothing but entries.
//!
//! Invariant: what a check writes and what it raises goes into the batch that moves the cursor over the entry. So a check may count.

use std::borrow::Cow;
use std::collections::BTreeMap;

use decision::ledger::Finding as Refusal;
use decision::statement::Statement;
use decision::types::{IssuerId, Number, Relation};
use jiff::Timestamp;
use tlog::{Hash, LeafIndex};

use crate::finding::{Code, Raised};
use crate::store::{Family, Row, StoreError, Txn};

/// Something that a monitor looks for.
pub trait Check: Send + Sync {
    /// What its rows are kept under: stable, and no other check's.
    fn name(&self) -> &'static str;

    /// Looks at the next entry of a log.
    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError>;

    /// Looks at the clock. Called for each log about every second and after each batch of entries, with the time up to which that log
    /// was read; most checks do nothing. One that would have much to say says a part of it, and [`Outcome::come_again`].
    fn tick(&self, rows: &mut Rows<'_, '_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        let _ = (rows, now, out);
        Ok(())
    }
}

/// An entry whose place in its log has been verified, and what the ledger says of it.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The log's origin.
    pub log: &'a str,
    /// Where it is.
    pub index: LeafIndex,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What it says, if it is a well-formed statement; refused or not.
    pub statement: Option<&'a Statement>,
    /// Why the log should have refused it; `None` if it counts, and in logs that take in any bytes.
    pub refusal: Option<&'a Refusal>,
    /// The earlier decisions and annotations that it relates to, in its own order, as the ledger has them; empty if it was refused.
    pub related: &'a [Related],
    /// When it was published.
    pub published: Published,
}

/// An earlier decision or annotation that a statement relates to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// How.
    pub rel: Relation,
    /// Where it is.
    pub index: LeafIndex,
    /// Whose it is.
    pub issuer: IssuerId,
    /// Its number.
    pub number: Number,
}

/// When an entry was first covered by a published head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Not before this, if that is known.
    pub earliest: Option<Timestamp>,
    /// At this time, or at the latest then.
    pub latest: Timestamp,
}

/// What a check has to say.
#[derive(Debug, Default)]
pub struct Outcome {
    pub(crate) raised: Vec<Raised>,
    pub(crate) cleared: Vec<(Code, String)>,
    /// How many of those raised are not about the entry that is looked at.
    of_others: usize,
    unfinished: bool,
}

impl Outcome {
    /// Something is the case. Saying so again changes nothing.
    pub fn raise(&mut self, raised: Raised) {
        self.raised.push(raised);
    }

    /// What was said about this subject under this code is not the case any more. Saying so of what never was changes nothing.
    pub fn clear(&mut self, code: Code, subject: impl Into<String>) {
        let subject = subject.into();
        // What was cleared is dealt with before what was raised: so what was raised and is gone again is not left as raised.
        let stays = |raised: &Raised| raised.code != code || raised.subject != subject;
        self.of_others = self.raised.iter().take(self.of_others).filter(|raised| stays(raised)).count();
        self.raised.retain(stays);
        self.cleared.push((code, subject));
    }

    /// What is raised from here on is about another entry.
    pub(crate) fn begin_entry(&mut self) {
        self.of_others = self.raised.len();
    }

    /// Of what was raised about the entry, keeps no more than `most` of each kind, and gives how many went. Of each kind, since
    /// otherwise much of one would take the place of another.
    pub(crate) fn truncate(&mut self, most: usize) -> usize {
        let all = self.raised.len();
        if all - self.of_others > most {
            let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
            let since = self.raised.split_off(self.of_others);
            self.raised.extend(since.into_iter().filter(|raised| {
                let count = counts.entry(raised.code.clone()).or_default();
                *count += 1;
                *count <= most
            }));
        }
        all - self.raised.len()
    }

    /// There is more to say at this time than belongs into one batch: the check is to look at the clock again once this one is written.
    pub fn come_again(&mut self) {
        self.unfinished = true;
    }

    /// Whether a check has more to say at this time.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Forgets that there was more, for another look.
    pub(crate) fn begin_again(&mut self) {
        self.unfinished = false;
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.raised.is_empty() && self.cleared.is_empty()
    }

    /// What was raised.
    pub fn raised(&self) -> &[Raised] {
        &self.raised
    }

    /// What was cleared.
    pub fn cleared(&self) -> &[(Code, String)] {
        &self.cleared
    }
}

/// The rows of one check about one log.
#[derive(Debug)]
pub struct Rows<'t, 's> {
    txn: &'t mut Txn<'s>,
    prefix: Cow<'t, [u8]>,
}

impl<'t, 's> Rows<'t, 's> {
    /// The rows of the check with this name, about the log with this number.
    pub fn new(txn: &'t mut Txn<'s>, log: u32, check: &str) -> Self {
        Rows { txn, prefix: Rows::prefix(log, check).into() }
    }

    /// The same by what their keys begin with, for whoever has made that before.
    pub(crate) fn with_prefix(txn: &'t mut Txn<'s>, prefix: &'t [u8]) -> Self {
        Rows { txn, prefix: prefix.into() }
    }

    /// What the keys of these rows begin with in the store, for whoever reads them without writing.
    pub(crate) fn prefix(log: u32, check: &str) -> Vec<u8> {
        [&log.to_be_bytes(), check.as_bytes(), b"\0"].concat()
    }

    /// The row with this key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.txn.get(Family::Checks, &self.key(key))
    }

    /// Writes a row.
    pub fn put(&mut self, key: &[u8], row: Vec<u8>) {
        let key = self.key(key);
        self.txn.put(Family::Checks, key, row);
    }

    /// Removes a row.
    pub fn delete(&mut self, key: &[u8]) {
        let key = self.key(key);
        self.txn.delete(Family::Checks, key);
    }

    /// At most `limit` rows whose keys begin with `prefix`, in the order of their keys.
    pub fn scan(&self, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.scan_from(prefix, prefix, limit)
    }

    /// The same from the key `from` on, which begins with `prefix`.
    pub fn scan_from(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.txn.scan_from(Family::Checks, &self.key(prefix), &self.key(from), limit)?;
        Ok(rows.into_iter().map(|(key, row)| (key[self.prefix.len()..].to_vec(), row)).collect())
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&*self.prefix, key].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_of_one_kind_does_not_take_the_place_of_another() {
        let mut out = Outcome::default();
        let mut raise =
            |code: Code, count: usize| (0..count).for_each(|one| out.raise(Raised::new(code.clone(), "", one.to_string(), "It is.")));
        raise(Code::GAP, 70);
        out.begin_entry();
        let mut raise =
            |code: Code, count: usize| (0..count).for_each(|one| out.raise(Raised::new(code.clone(), "", one.to_string(), "It is.")));
        raise(Code::SHARED_DOCUMENT, 100);
        raise(Code::watch("mayor"), 1);
        assert_eq!(out.truncate(64), 36, "what was there before stays");
        assert_eq!(out.raised().len(), 70 + 64 + 1);
        assert_eq!(out.raised().last().map(|raised| raised.code.clone()), Some(Code::watch("mayor")));
        assert_eq!(out.truncate(64), 0);
    }

    #[test]
    fn an_entry_that_clears_what_others_before_it_raised_is_counted_by_itself() {
        let raised = |code: Code, number: usize| Raised::new(code, "", number.to_string(), "It is.");
        let mut out = Outcome::default();
        (0..10).for_each(|number| out.raise(raised(Code::GAP, number)));
        out.begin_entry();
        (0..8).for_each(|number| out.clear(Code::GAP, number.to_string()));
        assert_eq!(out.truncate(5), 0, "fewer than before it began");
        (0..7).for_each(|number| out.raise(raised(Code::SHARED_DOCUMENT, number)));
        assert_eq!((out.truncate(5), out.raised().len()), (2, 2 + 5), "and what others raised and nobody cleared stays");
    }
}
