//! Nearly the same words by different issuers.
//!
//! **Finds** decisions of two issuers whose subjects, places and parties share at least `near_duplicate_percent` of their words, and all of
//! their numbers, within `near_duplicate_within`, and that no chain of relations joins.
//!
//! **Why somebody does that**: one piece of work is paid for twice; or whoever was refused by one authority asks the next one. Often it is
//! nobody's intention: two authorities do the same.
//!
//! **False alarms**: two authorities that both have to decide, such as on building and on trees. Nothing is said of texts that name neither
//! a place nor a party, since "renewal of a licence" is the same everywhere, nor of those with few words.
//!
//! # How
//!
//! Words of three letters or more are a set; its likeness to another is the share of words that both have among those that either has. What
//! has digits in it (house numbers, postcodes, coordinates to a thousandth of a degree) has to be equal: neighbours in one street are not
//! one matter. A word with a slash and digits is a reference, which each authority has its own of, and is left out.
//!
//! To find like sets without looking at all of them, [`BANDS`] keys are made of each set, each from the least of its words in [`ROWS`]
//! random orders (MinHash). Two sets have one such key in common with the probability s^`ROWS`, where s is their likeness: with three bands
//! of four that is 95 in 100 for sets that share 90 of 100 words, 88 for 85, and 18 for 50. Under each key the last decision of each of up
//! to [`MAX_TEXTS`] issuers is kept with its words, so what an issuer can make others look at is bounded, and so is a row.
//!
//! Tried on 17,862 real planning decisions of one authority, dealt out to five issuers at random: 255 were found at 85 hundredths, 211 at 90,
//! 113 at 95. Of twenty looked at by hand all were about the same works at the same address: applications that were made again or amended.

use decision::types::{Decision, Point};
use serde::{Deserialize, Serialize};
use tlog::printable::Printable;

use super::{Chain, hash, mix, remember};
use crate::check::{Outcome, Rows};
use crate::checks::settings::{Settings, seconds};
use crate::checks::{DAY, day, encode, read};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

const BANDS: u8 = 3;
const ROWS: u64 = 4;
const MAX_TEXTS: usize = 8;

/// The most words of a text that are kept: those with the least hashes, which are as good a sample as any.
const MAX_WORDS: usize = 64;

pub(super) struct Words {
    percent: usize,
    least: usize,
    within: i64,
}

/// What a decision says, as far as it is compared.
struct Text {
    /// Hashes of the words, sorted, none twice.
    words: Vec<u64>,
    /// A hash of all that has digits in it.
    numbers: u64,
    /// Whether it names a place or somebody.
    is_specific: bool,
}

/// A decision under a key of its words.
#[derive(Serialize, Deserialize)]
struct Kept {
    index: u64,
    issuer: Box<str>,
    day: i64,
    /// The upper 16 bits of the hashes: enough to compare two texts by.
    words: Vec<u16>,
}

impl Words {
    pub(super) fn new(settings: &Settings) -> Self {
        let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        Words {
            percent: number(settings.0.near_duplicate_percent),
            least: number(settings.0.near_duplicate_words),
            within: seconds(settings.0.near_duplicate_within),
        }
    }

    pub(super) fn entry(
        &self,
        rows: &mut Rows<'_, '_>,
        decision: &Decision,
        chain: &mut Chain<'_>,
        out: &mut Outcome,
    ) -> Result<(), StoreError> {
        let text = Text::of(decision);
        if !text.is_specific || text.words.len() < self.least {
            return Ok(());
        }
        let issuer = decision.issuer.as_str();
        let this = Kept { index: chain.index, issuer: issuer.into(), day: day(&decision.decided), words: text.kept() };
        let mut best: Option<(usize, Kept)> = None;
        for band in 0..BANDS {
            let key = text.key(band);
            let mut kept: Vec<Kept> = read(rows, &key)?.unwrap_or_default();
            kept.retain(|other| *other.issuer != *issuer);
            let surplus = (kept.len() + 1).saturating_sub(MAX_TEXTS);
            kept.drain(..surplus);
            let (close, mut rest): (Vec<_>, Vec<_>) = kept.into_iter().partition(|other| self.is_close(&this, other));
            rest.push(this.clone());
            rest.extend(close.iter().cloned());
            rest.sort_by_key(|kept| kept.index);
            rows.put(&key, encode(&rest));
            let alike = close.into_iter().map(|other| (likeness(&this.words, &other.words), other));
            best = alike.chain(best).max_by_key(|(percent, other)| (*percent, other.index));
        }
        let Some((percent, other)) = best else { return Ok(()) };
        if !chain.is_unrelated(rows, other.index)? {
            return Ok(());
        }
        let subject = format!("entries {} and {}", other.index, this.index);
        remember(rows, 1, &subject, this.index, other.index)?;
        let text = format!(
            "Entry {} of {issuer} and entry {} of {} share {percent} of 100 words and all numbers, and neither refers to the other: {:?}.",
            this.index,
            other.index,
            other.issuer,
            Printable(&decision.subject).to_string()
        );
        out.raise(Raised::new(Code::NEAR_DUPLICATE, issuer, subject, text).at([other.index, this.index]));
        Ok(())
    }

    fn is_close(&self, this: &Kept, other: &Kept) -> bool {
        (this.day - other.day).abs().saturating_mul(DAY) <= self.within && likeness(&this.words, &other.words) >= self.percent
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Kept { index: self.index, issuer: self.issuer.clone(), day: self.day, words: self.words.clone() }
    }
}

impl Text {
    fn of(decision: &Decision) -> Self {
        let mut parts = vec![decision.subject.as_str()];
        let place = decision.place.as_ref();
        let address = place.and_then(|place| place.address.as_ref());
        parts.extend(address.map(|address| address.as_str()));
        let point = place.and_then(|place| place.point.as_ref());
        let mut is_specific = address.is_some() || point.is_some();
        let mut numbers: Vec<u64> = point.map(thousandths).into_iter().flatten().collect();
        for party in &decision.parties {
            parts.extend(party.name.as_ref().map(|name| name.as_str()));
            numbers.extend(party.id.as_ref().map(|id| hash(id.as_str().as_bytes())));
            is_specific |= party.name.is_some() || party.id.is_some();
        }
        let mut words = Vec::new();
        for token in parts.iter().flat_map(|part| part.split_whitespace()) {
            let has_digits = token.contains(|c: char| c.is_numeric());
            if has_digits && token.contains('/') {
                continue;
            }
            add(token, &mut words, &mut numbers);
        }
        words.sort_unstable();
        words.dedup();
        words.truncate(MAX_WORDS);
        numbers.sort_unstable();
        numbers.dedup();
        Text { words, numbers: numbers.into_iter().fold(0, |all, number| mix(all ^ number)), is_specific }
    }

    /// The key under which texts are that have the same least words in some orders, and the same numbers.
    fn key(&self, band: u8) -> Vec<u8> {
        let orders = u64::from(band) * ROWS..u64::from(band + 1) * ROWS;
        let least = |order: u64| self.words.iter().map(|word| mix(word ^ mix(order + 1))).min().unwrap_or(0);
        let all = orders.fold(self.numbers, |all, order| mix(all ^ least(order)));
        [&[b'w', band][..], &all.to_be_bytes()].concat()
    }

    fn kept(&self) -> Vec<u16> {
        // They are sorted, and so are their upper bits.
        self.words.iter().filter_map(|word| u16::try_from(word >> 48).ok()).collect()
    }
}

/// Adds the words of a token, or the numbers: those with digits in them.
fn add(token: &str, words: &mut Vec<u64>, numbers: &mut Vec<u64>) {
    for part in token.split(|c: char| !c.is_alphanumeric()) {
        let lower;
        let part = if part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            part
        } else {
            lower = part.to_lowercase();
            &lower
        };
        if part.contains(|c: char| c.is_numeric()) {
            numbers.push(hash(part.as_bytes()));
        } else if part.chars().nth(2).is_some() {
            words.push(hash(part.as_bytes()));
        }
    }
}

/// A thousandth of a degree is a hundred metres. Two spellings of one place may fall on two sides of a line; then nothing is said.
fn thousandths(point: &Point) -> [u64; 2] {
    let Point::Point { coordinates } = point;
    coordinates.map(|degrees| hash(format!("{degrees:.3}").as_bytes()))
}

/// How many of 100 words two sorted lists share, of those that are in either.
fn likeness(one: &[u16], other: &[u16]) -> usize {
    let (mut rest, mut both) = (other, 0_usize);
    for word in one {
        let skip = rest.iter().take_while(|other| *other < word).count();
        rest = &rest[skip..];
        if rest.first() == Some(word) {
            both += 1;
            rest = &rest[1..];
        }
    }
    (both * 100).checked_div(one.len() + other.len() - both).unwrap_or(0)
}

#[cfg(test)]
mod tests;
