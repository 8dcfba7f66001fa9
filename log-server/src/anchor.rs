//! The anchor: a small file beside the store that says how far the log has certainly come.
//!
//! After each commit, and before anything of it leaves the process, the new size and root are written here and synced. A store that
//! comes back behind its anchor has lost what was acknowledged: its write-ahead log was cut, or an old backup was put in its place.
//! For that the anchor must never be part of a backup. Whoever can write both anchor and store can undo both; against them only
//! witnesses help.
//!
//! The file has two slots that are overwritten in turn, so that a power cut during one write leaves the other whole. Its size never
//! changes: one `fdatasync` of one block is all that a record costs.
//!
//! It names the log that it is of, so that the anchor of a new log does not vouch for an old store that is put beside it.
//!
//! A slot: magic 8 bytes ‖ generation u64 ‖ log id 16 bytes ‖ tree size u64 ‖ root 32 bytes ‖ SHA-256 of all that, 32 bytes. Numbers are
//! big-endian. The slots begin at 0 and 4096.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serving::directory::sync_parent;
use tlog::{Hash, TreeSize};

use crate::store::LogId;

const MAGIC: [u8; 8] = *b"ACTAANC1";
const BODY: usize = 72;
const SLOT: usize = BODY + 32;
/// The second slot lies in another block, so that one torn block cannot take both.
const SLOT_OFFSETS: [u64; 2] = [0, 4096];
const FILE_LEN: u64 = 8192;

/// The open anchor of a running log.
#[derive(Debug)]
pub struct Anchor {
    file: File,
    generation: u64,
}

/// What an anchor says: this log had this size and root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The log.
    pub log_id: LogId,
    /// The tree's size.
    pub size: TreeSize,
    /// The tree's root hash at that size.
    pub root: Hash,
}

/// The anchor cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAnchorError {
    /// There is no anchor file.
    #[error("there is no anchor, the file that says how far this log had come")]
    Missing,
    /// Neither slot holds a whole record.
    #[error("the anchor, the file that says how far this log had come, is damaged in both of its places")]
    Damaged,
    /// The file cannot be read.
    #[error("the anchor cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Anchor {
    /// Makes a new anchor at `path` and makes it durable, replacing what is there.
    pub fn create(path: &Path, anchored: Anchored) -> io::Result<Self> {
        let temporary = path.with_extension("new");
        let file = OpenOptions::new().write(true).read(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all_at(&vec![0; usize::try_from(FILE_LEN).expect("8192 fits")], 0)?;
        let mut anchor = Anchor { file, generation: 0 };
        anchor.record(anchored)?;
        anchor.file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        sync_parent(path)?;
        Ok(anchor)
    }

    /// Opens the anchor at `path` and reads the newer of its whole records.
    pub fn open(path: &Path) -> Result<(Self, Anchored), OpenAnchorError> {
        let file = match OpenOptions::new().write(true).read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenAnchorError::Missing),
            Err(error) => return Err(error.into()),
        };
        let mut newest: Option<(u64, Anchored)> = None;
        for offset in SLOT_OFFSETS {
            let mut slot = [0; SLOT];
            match file.read_exact_at(&mut slot, offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some((generation, anchored)) = decode(&slot)
                && newest.is_none_or(|(newer, _)| generation > newer)
            {
                newest = Some((generation, anchored));
            }
        }
        let (generation, anchored) = newest.ok_or(OpenAnchorError::Damaged)?;
        Ok((Anchor { file, generation }, anchored))
    }

    /// An anchor whose records fail.
    #[cfg(test)]
    pub(crate) fn unwritable(path: &Path) -> Self {
        Anchor { file: File::open(path).expect("a test may fail"), generation: 1 }
    }

    /// Records that the log has come to `anchored`. Durable when it returns `Ok`.
    pub fn record(&mut self, anchored: Anchored) -> io::Result<()> {
        let generation = self.generation + 1;
        let offset = SLOT_OFFSETS[usize::from(generation.is_multiple_of(2))];
        self.file.write_all_at(&encode(generation, anchored), offset)?;
        self.file.sync_data()?;
        self.generation = generation;
        Ok(())
    }
}

fn encode(generation: u64, anchored: Anchored) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&generation.to_be_bytes());
    slot[16..32].copy_from_slice(&anchored.log_id.0);
    slot[32..40].copy_from_slice(&anchored.size.as_u64().to_be_bytes());
    slot[40..BODY].copy_from_slice(anchored.root.as_bytes());
    let sum = Hash::sha256(&slot[..BODY]);
    slot[BODY..].copy_from_slice(sum.as_bytes());
    slot
}

fn decode(slot: &[u8; SLOT]) -> Option<(u64, Anchored)> {
    let whole = slot[..8] == MAGIC && slot[BODY..] == *Hash::sha256(&slot[..BODY]).as_bytes();
    if !whole {
        return None;
    }
    let number = |at: usize| Some(u64::from_be_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    let log_id = LogId(slot[16..32].try_into().ok()?);
    Some((number(8)?, Anchored { log_id, size: TreeSize::new(number(32)?), root: Hash::try_from(&slot[40..BODY]).ok()? }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn at(size: u64) -> Anchored {
        Anchored { log_id: LogId([3; 16]), size: TreeSize::new(size), root: Hash::leaf(&size.to_be_bytes()) }
    }

    fn damage(path: &Path, slot: usize) {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[0xff], SLOT_OFFSETS[slot] + 20).unwrap();
    }

    #[test]
    fn the_last_record_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        let mut anchor = Anchor::create(&path, at(0)).unwrap();
        for size in 1..10 {
            anchor.record(at(size)).unwrap();
            assert_eq!(Anchor::open(&path).unwrap().1, at(size));
        }
        assert_eq!(path.metadata().unwrap().len(), FILE_LEN, "records never change the file's size");
    }

    #[test]
    fn a_torn_record_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        let mut anchor = Anchor::create(&path, at(0)).unwrap(); // generation 1, slot 0
        anchor.record(at(7)).unwrap(); // generation 2, slot 1
        damage(&path, 1);
        let (mut anchor, found) = Anchor::open(&path).unwrap();
        assert_eq!(found, at(0));
        // ... and the next record goes over the damaged slot, not over the good one
        anchor.record(at(8)).unwrap();
        damage(&path, 0);
        assert_eq!(Anchor::open(&path).unwrap().1, at(8));
    }

    #[test]
    fn a_missing_emptied_or_wholly_damaged_anchor_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchor");
        assert!(matches!(Anchor::open(&path), Err(OpenAnchorError::Missing)));
        let mut anchor = Anchor::create(&path, at(0)).unwrap();
        anchor.record(at(1)).unwrap();
        damage(&path, 0);
        damage(&path, 1);
        assert!(matches!(Anchor::open(&path), Err(OpenAnchorError::Damaged)));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(Anchor::open(&path), Err(OpenAnchorError::Damaged)));
    }
}
