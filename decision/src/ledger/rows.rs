//! What the ledger holds: keys and rows, and their bytes.
//!
//! A ledger is a map of bytes to bytes, so that it can live in memory, in a database, or in a file, and be compared byte for byte.
//! Invariant: a row has one encoding, so two ledgers that say the same are the same bytes. Rows are replaced, never removed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tlog::Hash;

use crate::statement::StatementId;
use crate::types::{IssuerId, Kind, KindPattern, Number, Overrule, Registrars, Relation, SeriesName, Vkey};

/// A row, whatever its key.
pub(super) trait Row: Serialize + DeserializeOwned {}

/// The registrars in force: key `c`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Registry {
    /// As texts: parsing a key costs a hundred times what reading a row does.
    pub(super) keys: Vec<Box<str>>,
    pub(super) threshold: u16,
    /// The entry that named them.
    pub(super) since: u64,
}

/// An issuer: key `i`, its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Issuer {
    /// What people call it, by language.
    pub(super) names: Vec<(Box<str>, Box<str>)>,
    pub(super) kinds: Vec<KindPattern>,
    pub(super) may_overrule: Vec<Overrule>,
    /// Only ever added to, so that entries can name a key by its place.
    pub(super) keys: Vec<IssuerKey>,
    pub(super) registered: u64,
    pub(super) retired: Option<u64>,
}

/// A key of an issuer, in force or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct IssuerKey {
    pub(super) vkey: Box<str>,
    pub(super) added: u64,
    pub(super) retired: Option<u64>,
    pub(super) doubt_from: Option<u64>,
}

/// An entry: key `e`, its index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) leaf: [u8; 32],
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    Charter,
    RegistrarChange,
    Registration(IssuerId),
    KeyChange(IssuerId),
    Decision {
        numbered: NumberedEntry,
        /// What took its place.
        successor: Option<Successor>,
    },
    Annotation(NumberedEntry),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NumberedEntry {
    pub(super) issuer: IssuerId,
    pub(super) number: Number,
    pub(super) kind: Kind,
    /// The place of the key that signed it among its issuer's.
    pub(super) key: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Successor {
    pub(super) rel: Relation,
    pub(super) index: u64,
}

/// A series: key `s`, issuer, and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    /// All numbers up to here are used.
    pub(super) contiguous: u64,
    /// Which numbers above are used: the lowest bit of the first byte is for `contiguous` + 1. Has no zero byte at its end.
    pub(super) above: Vec<u8>,
    /// The last number, once that is known.
    pub(super) closed: Option<u64>,
}

impl Row for Registry {}
impl Row for Issuer {}
impl Row for Entry {}
impl Row for Series {}
/// The index of a number's entry, or of a statement's.
impl Row for u64 {}

impl Registry {
    pub(super) fn new(by: &Registrars, since: u64) -> Self {
        Registry { keys: by.registrars.iter().map(|key| key.as_str().into()).collect(), threshold: by.threshold, since }
    }

    pub(super) fn holds(&self, vkey: &Vkey) -> bool {
        self.keys.iter().any(|key| **key == *vkey.as_str())
    }
}

impl Entry {
    pub(super) fn new(leaf: Hash, what: What) -> Self {
        Entry { leaf: *leaf.as_bytes(), what }
    }
}

/// How far a number may be above the contiguous ones.
pub(super) const WINDOW: u64 = 10_000;

impl Series {
    /// Whether a number is used.
    pub(super) fn is_used(&self, seq: u64) -> bool {
        seq <= self.contiguous || self.bit(seq).is_some_and(|(byte, bit)| self.above.get(byte).is_some_and(|bits| bits & bit != 0))
    }

    /// The largest number that is used, 0 if none is.
    pub(super) fn highest(&self) -> u64 {
        let Some((last, below)) = self.above.split_last() else { return self.contiguous };
        let bits = u64::try_from(below.len()).unwrap_or(u64::MAX) * 8 + u64::from(8 - last.leading_zeros());
        self.contiguous + bits
    }

    /// Notes that a number, which is free and within the window, is used now.
    pub(super) fn take(&mut self, seq: u64) {
        let Some((byte, bit)) = self.bit(seq) else { return };
        if self.above.len() <= byte {
            self.above.resize(byte + 1, 0);
        }
        self.above[byte] |= bit;
        self.advance();
    }

    /// Where the bit of a number above the contiguous ones is.
    fn bit(&self, seq: u64) -> Option<(usize, u8)> {
        let offset = seq.checked_sub(self.contiguous.checked_add(1)?)?;
        Some((usize::try_from(offset / 8).ok()?, 1 << (offset % 8)))
    }

    /// Moves the numbers that have become contiguous from the bits to the count.
    fn advance(&mut self) {
        let whole = self.above.iter().take_while(|byte| **byte == u8::MAX).count();
        let rest = self.above.get(whole).map_or(0, |byte| byte.trailing_ones());
        self.contiguous += u64::try_from(whole).unwrap_or(u64::MAX) * 8 + u64::from(rest);
        self.above.drain(..whole);
        // Shifts all bits down by `rest`, each byte taking in the lowest bits of the next one.
        for at in 0..self.above.len() {
            let next = self.above.get(at + 1).copied().unwrap_or(0);
            let [_, shifted] = (u16::from_be_bytes([next, self.above[at]]) >> rest).to_be_bytes();
            self.above[at] = shifted;
        }
        let end = self.above.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        self.above.truncate(end);
    }
}

pub(super) fn registry_key() -> Vec<u8> {
    b"c".to_vec()
}

pub(super) fn issuer_key(issuer: &IssuerId) -> Vec<u8> {
    issuer_row(issuer.as_str())
}

/// The key of the row of the issuer with this name; of no name, what the keys of all of them begin with, for those who list them.
pub fn issuer_row(name: &str) -> Vec<u8> {
    [b"i", name.as_bytes()].concat()
}

/// The issuer whose row has this key; `None` if the row is another's.
pub fn issuer_of_row(key: &[u8]) -> Option<IssuerId> {
    let name = key.strip_prefix(b"i")?;
    str::from_utf8(name).ok()?.parse().ok()
}

/// Whether a key is that of the registrars or of an issuer.
pub(super) fn is_of_signers(key: &[u8]) -> bool {
    matches!(key, [b'c'] | [b'i', ..])
}

/// Neither name can contain a zero byte, so no two series have one key.
pub(super) fn series_key(issuer: &IssuerId, series: &SeriesName) -> Vec<u8> {
    [b"s", issuer.as_str().as_bytes(), b"\0", series.as_str().as_bytes()].concat()
}

pub(super) fn number_key(issuer: &IssuerId, number: &Number) -> Vec<u8> {
    let (series, seq) = (number.series.as_str().as_bytes(), number.seq.to_be_bytes());
    [b"n", issuer.as_str().as_bytes(), b"\0", series, b"\0", &seq].concat()
}

pub(super) fn entry_key(index: u64) -> Vec<u8> {
    [b"e".as_slice(), &index.to_be_bytes()].concat()
}

pub(super) fn statement_key(id: &StatementId) -> Vec<u8> {
    [b"t".as_slice(), id.as_bytes()].concat()
}

pub(super) fn encode(row: &impl Row) -> Vec<u8> {
    postcard::to_allocvec(row).expect("rows are plain data, and memory is there")
}

/// `None` if these are not the bytes of such a row, all of them and nothing more.
pub(super) fn decode<R: Row>(bytes: &[u8]) -> Option<R> {
    match postcard::take_from_bytes(bytes) {
        Ok((row, [])) => Some(row),
        _ => None,
    }
}

impl Issuer {
    /// The place of a key among all that the issuer has or had.
    pub(super) fn place_of(&self, vkey: &str) -> Option<usize> {
        self.keys.iter().position(|key| *key.vkey == *vkey)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::Series;

    #[test]
    fn a_series_counts_as_a_set_of_numbers_would() {
        proptest::proptest!(|(numbers in proptest::collection::vec(1_u64..70, 0..120))| {
            let mut series = Series::default();
            let mut used = std::collections::BTreeSet::new();
            for seq in numbers {
                assert_eq!(series.is_used(seq), used.contains(&seq));
                if used.insert(seq) {
                    series.take(seq);
                }
                let contiguous = (1..).take_while(|seq| used.contains(seq)).count();
                assert_eq!(series.contiguous, u64::try_from(contiguous).unwrap());
                assert_eq!(series.highest(), used.last().copied().unwrap_or(0));
                assert!(series.above.last().is_none_or(|byte| *byte != 0), "one encoding");
                assert!((1..80).all(|seq| series.is_used(seq) == used.contains(&seq)));
            }
        });
    }
}
