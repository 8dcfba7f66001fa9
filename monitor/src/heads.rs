//! Every head that was seen of a log, by whom it was shown, and whether it fits what the monitor read.
//!
//! A log that shows one history to some and another to others is found out by whoever puts two of its heads side by side. So each distinct
//! head that bears the log's signature is kept, from wherever it comes, until it is known how it stands ([`Standing`]).
//!
//! | key in the family `heads` | row |
//! |---|---|
//! | number of the log, 0, size u64, root | a [`SeenHead`] |
//! | number of the log, 1, text of the source | the size that this source showed last ([`Shown`]) |
//! | number of the log, 2 | since when the log's own address shows less than was seen ([`Lag`]) |
//!
//! Invariant: the rows of a log are bounded, and a log cannot have an inconvenient head forgotten by signing many others. Of the heads that
//! were followed some are dropped ([`MAX_FOLLOWED`]): each is the root of a part of the entries, which the monitor keeps, so it says nothing
//! that the entries do not. Of those that were not, the oldest stay ([`MAX_UNSETTLED`]), and a new one replaces the newest of its source. Of those that
//! convict the log the first stay ([`MAX_CONTRADICTING`]); they are in files as well.

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
const BEHIND: u8 = 2;

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

/// That the log's own address shows fewer entries than somebody has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// What it showed last.
    pub shown: Shown,
    /// The largest head that was seen and is not known to be a lie.
    pub seen: SeenHead,
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
}

impl SeenRow {
    fn into_seen(self) -> Result<SeenHead, StoreError> {
        // Its signatures were verified before it was stored.
        let head = SignedCheckpoint::parse(self.note.as_bytes()).map_err(|_| Damage::MalformedRow)?;
        Ok(SeenHead { head: LogHead(head), standing: self.standing, sightings: self.seen })
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
    show(txn, log, head.checkpoint().size(), seen_at, source)?;
    let key = seen_key(log, head.checkpoint());
    let Some(row) = txn.get(Family::Heads, &key)? else {
        make_room(txn, log, source)?;
        let sightings = vec![Sighting { source: source.clone(), first: seen_at }];
        put(txn, log, &SeenHead { head: head.clone(), standing: Standing::Pending, sightings });
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

/// Whether the log's own address shows fewer entries than were seen anywhere. A head that contradicts what was read does not count: nobody
/// can bring both together.
pub fn lag(store: &Store, log: u32) -> Result<Option<Lag>, StoreError> {
    let own = [prefix(log, SHOWN).as_slice(), Source::Log.to_string().as_bytes()].concat();
    let Some(row) = store.get(Family::Heads, &own)? else { return Ok(None) };
    let shown: Shown = decode(&row)?;
    for (_, row) in store.scan(Family::Heads, &prefix(log, SEEN), ALL)?.iter().rev() {
        let row: SeenRow = decode(row)?;
        if row.standing != Standing::Contradicts {
            let seen = row.into_seen()?;
            let is_more = seen.head.checkpoint().size().as_u64() > shown.size;
            return Ok(is_more.then_some(Lag { shown, seen }));
        }
    }
    Ok(None)
}

/// Since when a [`Lag`] was there, if that was written down.
pub fn behind_since(store: &Store, log: u32) -> Result<Option<Timestamp>, StoreError> {
    store.get(Family::Heads, &prefix(log, BEHIND))?.map(|row| decode(&row)).transpose()
}

/// Writes down since when there is a [`Lag`], or that there is none.
pub fn set_behind_since(txn: &mut Txn<'_>, log: u32, since: Option<Timestamp>) {
    match since {
        Some(since) => txn.put(Family::Heads, prefix(log, BEHIND), encode(&since)),
        None => txn.delete(Family::Heads, prefix(log, BEHIND)),
    }
}

fn show(txn: &mut Txn<'_>, log: u32, size: TreeSize, now: Timestamp, source: &Source) -> Result<(), StoreError> {
    // A receipt is no place that shows one head after another.
    if matches!(source, Source::Receipt { .. }) {
        return Ok(());
    }
    let key = [prefix(log, SHOWN).as_slice(), source.to_string().as_bytes()].concat();
    txn.put(Family::Heads, key, encode(&Shown { size: size.as_u64(), last: now }));
    Ok(())
}

/// Makes room for one more unsettled head, if there is none.
fn make_room(txn: &mut Txn<'_>, log: u32, source: &Source) -> Result<(), StoreError> {
    let mut unsettled: Vec<(Vec<u8>, SeenRow)> = rows(txn, log)?.into_iter().filter(|(_, row)| row.standing.is_unsettled()).collect();
    if unsettled.len() < MAX_UNSETTLED {
        return Ok(());
    }
    unsettled.sort_by_key(|(_, row)| first(&row.seen));
    // One that continues what was read is no loss. Else the newest of this source gives way, or of all.
    let of_source = |(_, row): &&(Vec<u8>, SeenRow)| row.seen.iter().any(|sighting| sighting.source == *source);
    let continues = unsettled.iter().find(|(_, row)| row.standing == Standing::Continues);
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
    let row = SeenRow { standing: seen.standing, seen: seen.sightings.clone(), note: seen.head.0.to_string() };
    txn.put(Family::Heads, seen.key(log), encode(&row));
}

fn seen_of(row: &[u8]) -> Result<SeenHead, StoreError> {
    decode::<SeenRow>(row)?.into_seen()
}

fn seen_key(log: u32, head: &Checkpoint) -> Vec<u8> {
    [prefix(log, SEEN).as_slice(), &head.size().as_u64().to_be_bytes(), head.root().as_bytes()].concat()
}

fn prefix(log: u32, kind: u8) -> Vec<u8> {
    [log.to_be_bytes().as_slice(), &[kind]].concat()
}
