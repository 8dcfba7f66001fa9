//! The anchor: a small file beside the store that says how far the witness has certainly come.
//!
//! It holds how many commits the store had. A store that comes back with fewer is an older copy that was put in its place, or has lost what was
//! synced; going on from it, the witness would sign what it refused before. For that the anchor must never be part of a backup. Whoever puts
//! back both, store and anchor, gets past it, and against that nothing on this machine helps.
//!
//! A commit is anchored before anything of it leaves, unless the last one was so within [`EVERY`]: a second sync for each commit would cost a
//! busy witness half of what it can do. So what can go unnoticed is the loss of the last tenth of a second of a busy time.
//!
//! The file has two slots that are overwritten in turn, so that a power cut during one write leaves the other whole. A slot: magic 8 bytes ‖
//! generation u64 ‖ SHA-256 of the verifier keys' lines, 32 bytes ‖ commits u64 ‖ SHA-256 of all that, 32 bytes. Numbers are big-endian. The slots
//! begin at 0 and 4096.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use serving::directory::sync_parent;
use tlog::Hash;

/// The longest that commits may go unanchored while others follow.
pub const EVERY: Duration = Duration::from_millis(100);

const MAGIC: [u8; 8] = *b"ACTAWIT1";
const BODY: usize = 56;
const SLOT: usize = BODY + 32;
/// The second slot lies in another block, so that one torn block cannot take both.
const SLOT_OFFSETS: [u64; 2] = [0, 4096];
const FILE_LEN: usize = 8192;

/// The open anchor of a running witness.
#[derive(Debug)]
pub struct Anchor {
    file: File,
    keys: Hash,
    generation: u64,
    /// When it was written last.
    written: Option<Instant>,
}

/// The anchor does not vouch for the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// There is no anchor file.
    #[error("there is no anchor, the file that says how far this witness had come")]
    Missing,
    /// Neither slot holds a whole record.
    #[error("the anchor, the file that says how far this witness had come, is damaged in both of its places")]
    Damaged,
    /// It is another witness's.
    #[error("the anchor is that of a witness with other keys")]
    OtherKeys,
    /// The store has fewer commits than it had.
    #[error("the store has {stored} commits, and it had {anchored}: an older copy was put in its place, or its disk lost what was written")]
    Behind {
        /// What it has.
        stored: u64,
        /// What it had.
        anchored: u64,
    },
    /// The file cannot be read.
    #[error("the anchor cannot be read: {0}")]
    Io(io::Error),
}

impl Anchor {
    /// Makes the anchor of a new witness, whose verifier keys have these lines.
    pub fn create(path: &Path, keys: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(path)?;
        file.write_all_at(&[0; FILE_LEN], 0)?;
        let mut anchor = Anchor { file, keys: Hash::sha256(keys.as_bytes()), generation: 0, written: None };
        anchor.record(0, Instant::now())?;
        anchor.file.sync_all()?;
        sync_parent(path)
    }

    /// Opens the anchor. Refuses unless it vouches for a store with these keys and so many commits.
    pub fn open(path: &Path, keys: &str, commits: u64) -> Result<Self, AnchorError> {
        let file = match OpenOptions::new().write(true).read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(AnchorError::Missing),
            Err(error) => return Err(AnchorError::Io(error)),
        };
        let mut slots = Vec::new();
        for offset in SLOT_OFFSETS {
            let mut slot = [0; SLOT];
            match file.read_exact_at(&mut slot, offset) {
                Ok(()) => slots.extend(decode(&slot)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(AnchorError::Io(error)),
            }
        }
        let newest = slots.into_iter().max_by_key(|slot| slot.generation).ok_or(AnchorError::Damaged)?;
        let keys = Hash::sha256(keys.as_bytes());
        if newest.keys != keys {
            return Err(AnchorError::OtherKeys);
        }
        if commits < newest.commits {
            return Err(AnchorError::Behind { stored: commits, anchored: newest.commits });
        }
        Ok(Anchor { file, keys, generation: newest.generation, written: None })
    }

    /// Whether the next commit is to be anchored before anything of it leaves.
    pub fn is_due(&self, now: Instant) -> bool {
        self.written.is_none_or(|written| now.saturating_duration_since(written) >= EVERY)
    }

    /// Records that the store has so many commits. Durable when it returns `Ok`.
    pub fn record(&mut self, commits: u64, now: Instant) -> io::Result<()> {
        let slot = Slot { generation: self.generation + 1, keys: self.keys, commits };
        let offset = SLOT_OFFSETS[usize::from(slot.generation.is_multiple_of(2))];
        self.file.write_all_at(&encode(&slot), offset)?;
        self.file.sync_data()?;
        self.generation = slot.generation;
        self.written = Some(now);
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Slot {
    generation: u64,
    keys: Hash,
    commits: u64,
}

fn encode(slot: &Slot) -> Vec<u8> {
    let body = [&MAGIC, &slot.generation.to_be_bytes(), slot.keys.as_bytes().as_slice(), &slot.commits.to_be_bytes()].concat();
    [body.as_slice(), Hash::sha256(&body).as_bytes()].concat()
}

fn decode(bytes: &[u8; SLOT]) -> Option<Slot> {
    let (body, sum) = bytes.split_at(BODY);
    if *Hash::sha256(body).as_bytes() != *sum {
        return None;
    }
    let rest = body.strip_prefix(&MAGIC)?;
    let (generation, rest) = rest.split_first_chunk::<8>()?;
    let (keys, commits) = rest.split_first_chunk::<32>()?;
    Some(Slot {
        generation: u64::from_be_bytes(*generation),
        keys: Hash::new(*keys),
        commits: u64::from_be_bytes(commits.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_store_with_fewer_commits_is_refused_and_one_with_more_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        assert!(matches!(Anchor::open(&path, "keys", 0), Err(AnchorError::Missing)));
        Anchor::create(&path, "keys").unwrap();
        assert!(Anchor::create(&path, "keys").is_err(), "it is never made anew");
        for commits in 1..=5 {
            Anchor::open(&path, "keys", commits).unwrap().record(commits, Instant::now()).unwrap();
        }
        assert!(matches!(Anchor::open(&path, "keys", 4), Err(AnchorError::Behind { stored: 4, anchored: 5 })));
        assert!(matches!(Anchor::open(&path, "other", 5), Err(AnchorError::OtherKeys)));
        assert!(Anchor::open(&path, "keys", 6).is_ok());
    }

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        Anchor::create(&path, "keys").unwrap();
        Anchor::open(&path, "keys", 7).unwrap().record(7, Instant::now()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let with = |places: &[usize]| {
            let mut bytes = whole.clone();
            places.iter().for_each(|place| bytes[*place] ^= 1);
            std::fs::write(&path, bytes).unwrap();
            Anchor::open(&path, "keys", 0)
        };
        // The record of 0 is in the first slot, that of 7 in the second.
        assert!(matches!(with(&[]), Err(AnchorError::Behind { anchored: 7, .. })));
        assert!(matches!(with(&[30]), Err(AnchorError::Behind { anchored: 7, .. })));
        assert!(with(&[4096 + 30]).is_ok());
        assert!(matches!(with(&[30, 4096 + 30]), Err(AnchorError::Damaged)));
        std::fs::write(&path, &whole[..50]).unwrap();
        assert!(matches!(Anchor::open(&path, "keys", 7), Err(AnchorError::Damaged)));
    }

    #[test]
    fn commits_that_follow_each_other_closely_share_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        Anchor::create(&path, "keys").unwrap();
        let mut anchor = Anchor::open(&path, "keys", 0).unwrap();
        let now = Instant::now();
        assert!(anchor.is_due(now));
        anchor.record(1, now).unwrap();
        assert!(!anchor.is_due(now + EVERY / 2));
        assert!(anchor.is_due(now + EVERY));
    }
}
