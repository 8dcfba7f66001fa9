//! Every head that was seen of a log, by whom it was shown, and whether it fits what the monitor read.
//!
//! A log that shows one history to some and another to others is found out by whoever puts two of its heads side by side. So each distinct
//! head that bears the log's signature is kept, from wherever it comes, until it is known how it stands ([`Standing`]).
//!
//! | key in the family `heads` | row |
//! |---|---|
//! | number of the log, 0, size u64, root | a [`SeenHead`] |
//! | number of the log, 1, text of the source | the size that this source showed last ([`Shown`]) |
//!
//! Invariant: the rows of a log are bounded, and a log cannot have an inconvenient head forgotten by signing many others. Of the heads that
//! were followed some are dropped ([`MAX_FOLLOWED`]): each is the root of a part of the entries, which the monitor keeps, so it says nothing
//! that the entries do not. Of those that were not, the oldest stay ([`MAX_UNSETTLED`]), and a new one replaces the newest of its source. Of those that
//! convict the log the first stay ([`MAX_CONTRADICTING`]); they are in files as well.
//!
//! Invariant: how long a log leaves a head out is counted for each head by itself ([`Waits`]). A log that grows is behind somebody at nearly every
//! moment, each time by another head, and that adds up to nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::TreeSize;
use tlog::checkpoint::{Checkpoint, SignedCheckpoint, VerifyCheckpointError};
use tlog::policy::Policy;

use crate::findings::{decode, encode};
use crate::store::{Damage, Family, Row, Store, StoreError, Txn};

mod compare;
#[cfg(test)]
pub(crate) mod fixture;
mod report;
mod source;
#[cfg(test)]
mod tests;

pub use compare::{Comparison, compare, judge, judge_receipt};
pub use report::report;
pub use source::{MalformedSource, Source};

/// The most followed heads that are kept of a log. With more, every second one of the older ones is dropped: what is left are heads in nearly
/// even steps, the first one, the newest ones, and the newest of each source.
pub const MAX_FOLLOWED: usize = 256;

/// The most heads of a log that are kept while it is not known how they stand.
pub const MAX_UNSETTLED: usize = 128;

/// The most heads of a log that are kept because they convict it.
pub const MAX_CONTRADICTING: usize = 64;

/// Of the followed heads, so many newest ones are not thinned.
const NEWEST: usize = 64;

/// The most places that are noted for one head.
const MAX_SIGHTINGS: usize = 64;

/// More rows than a log can have.
const ALL: usize = 4 * (MAX_FOLLOWED + MAX_UNSETTLED + MAX_CONTRADICTING);

const SEEN: u8 = 0;
const SHOWN: u8 = 1;

/// A head that bears its log's signature, and no signature line that nobody verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead(SignedCheckpoint);

/// A head that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenHead {
    /// The head.
    pub head: LogHead,
    /// How it stands to what the monitor read.
    pub standing: Standing,
    /// Where it was seen, and when first there. Never empty.
    pub sightings: Vec<Sighting>,
    /// What the log has left out about it so far.
    pub waits: Waits,
}

/// Since when a log leaves something out about one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// When the log's own address was first looked at after the head had been seen, and showed fewer entries. `None` once it shows as many.
    pub behind: Option<Timestamp>,
    /// When the log, which showed as many entries, first did not serve what shows how the head stands.
    pub withheld: Option<Timestamp>,
}

/// Where and when a head was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Where.
    pub source: Source,
    /// When first.
    pub first: Timestamp,
}

/// How a head stands to what the monitor read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is not known.
    Pending,
    /// What the log serves shows that it continues what was read. The entries are still to be read.
    Continues,
    /// The entries that the monitor keeps have this root.
    Followed,
    /// What the log serves does not show how it stands.
    Unproven,
    /// It contradicts another head that the log signed, and there is a file that proves it.
    Contradicts,
}

/// What a source showed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The size.
    pub size: u64,
    /// When.
    pub last: Timestamp,
}

/// What became of a head that was to be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is new.
    New,
    /// It was there; how it stands is known or not.
    Known(Standing),
}

#[derive(Serialize, Deserialize)]
struct SeenRow {
    standing: Standing,
    seen: Vec<Sighting>,
    note: String,
    /// Rows of before it was counted have none.
    #[serde(default)]
    waits: Waits,
}

impl SeenRow {
    fn into_seen(self) -> Result<SeenHead, StoreError> {
        // Its signatures were verified before it was stored.
        let head = SignedCheckpoint::parse(self.note.as_bytes()).map_err(|_| Damage::MalformedRow)?;
        Ok(SeenHead { head: LogHead(head), standing: self.standing, sightings: self.seen, waits: self.waits })
    }
}

impl LogHead {
    /// Takes a head if a key that the policy has for its log has signed it; whether witnesses have is not asked. Signature lines that
    /// are neither the log's nor, verified, those of witnesses of the policy are left out.
    pub fn verify(signed: &SignedCheckpoint, policy: &Policy) -> Result<Self, VerifyCheckpointError> {
        let mut keys = policy.log_keys();
        signed.verify_log(&keys)?;
        keys.retain(|key| key.name().as_str() == signed.checkpoint().origin().as_str());
        keys.extend(policy.witnesses().iter().map(|witness| witness.key().clone()));
        let mut head = signed.clone();
        // The log's own line is left at least.
        head.retain_verified(&keys);
        Ok(LogHead(head))
    }

    /// Origin, size and root.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.0.checkpoint()
    }

    /// The note.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.0
    }
}

impl SeenHead {
    /// When it was first seen anywhere.
    pub fn first_seen(&self) -> Timestamp {
        first(&self.sightings)
    }

    /// Since when the log's own address shows fewer entries than this head has, by what it showed last. It is counted from a look at that
    /// address after the head was seen: what was shown before says nothing, nor does an address that cannot be reached.
    ///
    /// A head that contradicts what was read does not count: nobody can bring both together.
    pub fn behind(&self, shown: Shown) -> Option<Timestamp> {
        if self.standing == Standing::Contradicts || self.head.checkpoint().size().as_u64() <= shown.size {
            return None;
        }
        self.waits.behind.or_else(|| (shown.last >= self.first_seen()).then_some(shown.last))
    }

    fn key(&self, log: u32) -> Vec<u8> {
        seen_key(log, self.head.checkpoint())
    }
}

impl Standing {
    /// Whether it is still to be decided.
    pub fn is_unsettled(self) -> bool {
        matches!(self, Standing::Pending | Standing::Continues | Standing::Unproven)
    }
}

/// Notes that a head was seen. Seeing it again at the same place changes nothing but [`Shown`].
pub fn note(txn: &mut Txn<'_>, log: u32, head: &LogHead, seen_at: Timestamp, source: &Source) -> Result<Noted, StoreError> {
    show(txn, log, head.checkpoint().size(), seen_at, source);
    let key = seen_key(log, head.checkpoint());
    let Some(row) = txn.get(Family::Heads, &key)? else {
        make_room(txn, log, source)?;
        let sightings = vec![Sighting { source: source.clone(), first: seen_at }];
        put(txn, log, &SeenHead { head: head.clone(), standing: Standing::Pending, sightings, waits: Waits::default() });
        return Ok(Noted::New);
    };
    let mut seen = seen_of(&row)?;
    let more_lines = head.signed().note().signatures().len() > seen.head.signed().note().signatures().len();
    let new_place = seen.sightings.len() < MAX_SIGHTINGS && !seen.sightings.iter().any(|sighting| sighting.source == *source);
    if more_lines {
        seen.head = head.clone();
    }
    if new_place {
        seen.sightings.push(Sighting { source: source.clone(), first: seen_at });
    }
    if more_lines || new_place {
        put(txn, log, &seen);
    }
    Ok(Noted::Known(seen.standing))
}

/// How a head stands; `None` if it is not noted.
pub fn standing(txn: &Txn<'_>, log: u32, head: &Checkpoint) -> Result<Option<Standing>, StoreError> {
    let row = txn.get(Family::Heads, &seen_key(log, head))?;
    Ok(row.map(|row| decode::<SeenRow>(&row)).transpose()?.map(|row| row.standing))
}

/// Says how a head stands; does nothing if it is not noted. What was followed is followed for ever, since entries that were taken in do not
/// change. A head that once convicted its log does so for ever, unless it turns out to be the one that is followed and another one the lie.
pub fn settle(txn: &mut Txn<'_>, log: u32, head: &Checkpoint, standing: Standing) -> Result<(), StoreError> {
    let Some(row) = txn.get(Family::Heads, &seen_key(log, head))? else { return Ok(()) };
    let mut seen = seen_of(&row)?;
    let is_final = match seen.standing {
        Standing::Followed => true,
        Standing::Contradicts => standing != Standing::Followed,
        _ => false,
    };
    if is_final || seen.standing == standing {
        return Ok(());
    }
    if standing == Standing::Contradicts && keys_of(txn, log, standing)?.len() >= MAX_CONTRADICTING {
        txn.delete(Family::Heads, seen.key(log));
        return Ok(());
    }
    seen.standing = standing;
    put(txn, log, &seen);
    if standing == Standing::Followed { thin(txn, log) } else { Ok(()) }
}

/// All heads that are kept of a log, the smallest first.
pub fn all(store: &Store, log: u32) -> Result<Vec<SeenHead>, StoreError> {
    store.scan(Family::Heads, &prefix(log, SEEN), ALL)?.iter().map(|(_, row)| seen_of(row)).collect()
}

/// What each source showed last.
pub fn shown(store: &Store, log: u32) -> Result<Vec<(Source, Shown)>, StoreError> {
    let prefix = prefix(log, SHOWN);
    let parse = |(key, row): &Row| {
        let source = str::from_utf8(&key[prefix.len()..]).ok().and_then(|text| text.parse().ok()).ok_or(Damage::MalformedRow)?;
        Ok((source, decode(row)?))
    };
    store.scan(Family::Heads, &prefix, ALL)?.iter().map(parse).collect()
}

/// The largest head that was followed, or if there is none, the largest that the log's own address showed: what this monitor stands for.
pub fn newest(seen: &[SeenHead]) -> Option<&SeenHead> {
    let followed = seen.iter().rev().find(|seen| seen.standing == Standing::Followed);
    let own =
        |seen: &&SeenHead| seen.standing != Standing::Contradicts && seen.sightings.iter().any(|sighting| sighting.source == Source::Log);
    followed.or_else(|| seen.iter().rev().find(own))
}

/// What the log's own address showed last; `None` if it was not looked at yet.
pub fn shown_by_log(store: &Store, log: u32) -> Result<Option<Shown>, StoreError> {
    store.get(Family::Heads, &shown_key(log, &Source::Log))?.map(|row| decode(&row)).transpose()
}

/// Writes down since when a head waits for the log's own address to show as many entries; does nothing if the head is not noted.
pub fn set_behind(txn: &mut Txn<'_>, log: u32, head: &Checkpoint, behind: Option<Timestamp>) -> Result<(), StoreError> {
    let Some(row) = txn.get(Family::Heads, &seen_key(log, head))? else { return Ok(()) };
    let mut seen = seen_of(&row)?;
    seen.waits.behind = behind;
    put(txn, log, &seen);
    Ok(())
}

/// Writes down that the log did not serve what shows how a head stands, and gives since when it does not.
pub fn withheld(txn: &mut Txn<'_>, log: u32, head: &Checkpoint, now: Timestamp) -> Result<Timestamp, StoreError> {
    let Some(row) = txn.get(Family::Heads, &seen_key(log, head))? else { return Ok(now) };
    let mut seen = seen_of(&row)?;
    let since = *seen.waits.withheld.get_or_insert(now);
    put(txn, log, &seen);
    Ok(since)
}

/// Writes down what a source shows. [`note`] does so for every head that it is given.
pub fn show(txn: &mut Txn<'_>, log: u32, size: TreeSize, now: Timestamp, source: &Source) {
    // A receipt is no place that shows one head after another.
    if !matches!(source, Source::Receipt { .. }) {
        txn.put(Family::Heads, shown_key(log, source), encode(&Shown { size: size.as_u64(), last: now }));
    }
}

/// Makes room for one more unsettled head, if there is none.
fn make_room(txn: &mut Txn<'_>, log: u32, source: &Source) -> Result<(), StoreError> {
    let mut unsettled: Vec<(Vec<u8>, SeenRow)> = rows(txn, log)?.into_iter().filter(|(_, row)| row.standing.is_unsettled()).collect();
    if unsettled.len() < MAX_UNSETTLED {
        return Ok(());
    }
    unsettled.sort_by_key(|(_, row)| first(&row.seen));
    // One that continues what was read, and has not to be shown yet, is no loss. Else the newest of this source gives way, or of all.
    let of_source = |(_, row): &&(Vec<u8>, SeenRow)| row.seen.iter().any(|sighting| sighting.source == *source);
    let continues = unsettled.iter().find(|(_, row)| row.standing == Standing::Continues && row.waits.behind.is_none());
    let gives_way = continues.or_else(|| unsettled.iter().rev().find(of_source)).or(unsettled.last());
    if let Some((key, _)) = gives_way {
        txn.delete(Family::Heads, key.clone());
    }
    Ok(())
}

/// Drops every second one of the older followed heads, if there are too many.
fn thin(txn: &mut Txn<'_>, log: u32) -> Result<(), StoreError> {
    let followed: Vec<Vec<u8>> = keys_of(txn, log, Standing::Followed)?;
    if followed.len() <= MAX_FOLLOWED {
        return Ok(());
    }
    let shown = txn.scan(Family::Heads, &prefix(log, SHOWN), ALL)?;
    let shown: Vec<Shown> = shown.iter().map(|(_, row)| decode(row)).collect::<Result<_, _>>()?;
    let is_shown = |key: &[u8]| shown.iter().any(|shown| key[prefix(log, SEEN).len()..].starts_with(&shown.size.to_be_bytes()));
    // The first in the list stays, as do the newest.
    let older = &followed[..followed.len() - NEWEST];
    for key in older.iter().skip(1).step_by(2).filter(|key| !is_shown(key)) {
        txn.delete(Family::Heads, key.clone());
    }
    Ok(())
}

fn keys_of(txn: &Txn<'_>, log: u32, standing: Standing) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = rows(txn, log)?.into_iter().filter(|(_, row)| row.standing == standing);
    Ok(rows.map(|(key, _)| key).collect())
}

/// Rows without a look at the notes in them.
fn rows(txn: &Txn<'_>, log: u32) -> Result<Vec<(Vec<u8>, SeenRow)>, StoreError> {
    let rows = txn.scan(Family::Heads, &prefix(log, SEEN), ALL)?;
    rows.into_iter().map(|(key, row)| Ok((key, decode(&row)?))).collect()
}

fn first(sightings: &[Sighting]) -> Timestamp {
    sightings.iter().map(|sighting| sighting.first).min().unwrap_or(Timestamp::MAX)
}

fn put(txn: &mut Txn<'_>, log: u32, seen: &SeenHead) {
    let row = SeenRow { standing: seen.standing, seen: seen.sightings.clone(), note: seen.head.0.to_string(), waits: seen.waits };
    txn.put(Family::Heads, seen.key(log), encode(&row));
}

fn seen_of(row: &[u8]) -> Result<SeenHead, StoreError> {
    decode::<SeenRow>(row)?.into_seen()
}

fn seen_key(log: u32, head: &Checkpoint) -> Vec<u8> {
    [prefix(log, SEEN).as_slice(), &head.size().as_u64().to_be_bytes(), head.root().as_bytes()].concat()
}

fn shown_key(log: u32, source: &Source) -> Vec<u8> {
    [prefix(log, SHOWN).as_slice(), source.to_string().as_bytes()].concat()
}

fn prefix(log: u32, kind: u8) -> Vec<u8> {
    [log.to_be_bytes().as_slice(), &[kind]].concat()
}
