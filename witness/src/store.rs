//! Where a witness keeps what it cosigned last of each log, and what it may rely on.
//!
//! One row for each log that was ever cosigned, by the hash of its origin. A row is replaced, never removed: a log that the operator drops
//! and adds again goes on from where it was. Two rows of one log never exist, so nothing here can say two things about it.
//!
//! The store is trusted for durability and nothing else. Whoever puts an older copy in its place, and one of the anchor beside it
//! ([`crate::anchor`]), makes the witness cosign what it would have refused, and the witness cannot notice: only the logs know what it signed. So
//! a witness's directory is never restored from a backup; after a loss, a witness starts anew with new keys (SECURITY.md).

mod memory;
mod rocks;

#[cfg(test)]
mod contract;

use std::fmt;
use std::num::NonZeroU64;

use bytes::Bytes;
use tlog::checkpoint::{Origin, SignedCheckpoint};
use tlog::witness::Latest;
use tlog::{Hash, TreeSize};

pub use memory::{Fault, MemoryStore};
pub(crate) use rocks::MAX_OPEN_FILES;
pub use rocks::{RocksOptions, RocksStore};

/// The version of the store's format; a store of another version is refused, never guessed at.
pub const FORMAT_VERSION: u32 = 1;

/// The SHA-256 of a log's origin: what names the log in the store, and in the paths that monitors ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginHash(Hash);

impl OriginHash {
    /// Of this origin.
    pub fn of(origin: &Origin) -> Self {
        OriginHash::of_text(origin.as_str())
    }

    /// Of the name of a log's key, which is the log's origin.
    pub fn of_text(origin: &str) -> Self {
        OriginHash(Hash::sha256(origin.as_bytes()))
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(OriginHash(Hash::new(bytes)))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for OriginHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// What a witness knows of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Size and root hash of the newest checkpoint that was cosigned.
    pub latest: Latest,
    /// When it was cosigned, in seconds since 1970, as the cosignatures state it.
    pub at: NonZeroU64,
    /// That checkpoint as a note: the log's verified lines, then the cosignatures. Served to monitors as it is.
    pub note: Bytes,
}

impl Row {
    /// The note, parsed. A row that cannot be read, or says something else than its note, is damage.
    pub fn signed(&self) -> Result<SignedCheckpoint, Damage> {
        let signed = SignedCheckpoint::parse(&self.note).map_err(|_| Damage::MalformedRow)?;
        let checkpoint = signed.checkpoint();
        let same = checkpoint.size() == self.latest.size && *checkpoint.root() == self.latest.root;
        if same { Ok(signed) } else { Err(Damage::MalformedRow) }
    }

    /// size u64 ‖ root 32 bytes ‖ time u64 ‖ the note; numbers are big-endian.
    fn encode(&self) -> Vec<u8> {
        let Latest { size, root } = self.latest;
        [size.as_u64().to_be_bytes().as_slice(), root.as_bytes(), &self.at.get().to_be_bytes(), &self.note].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(Damage::MalformedRow)?;
        let (root, rest) = rest.split_first_chunk::<32>().ok_or(Damage::MalformedRow)?;
        let (at, note) = rest.split_first_chunk::<8>().ok_or(Damage::MalformedRow)?;
        let latest = Latest { size: TreeSize::new(u64::from_be_bytes(*size)), root: Hash::new(*root) };
        let at = NonZeroU64::new(u64::from_be_bytes(*at)).ok_or(Damage::MalformedRow)?;
        Ok(Row { latest, at, note: Bytes::copy_from_slice(note) })
    }
}

/// The store could not do what was asked of it. Every variant stops the process: nothing goes on over an error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// RocksDB reported an error.
    #[error("the store reported an error: {0}. See the disk's health and free space")]
    Database(rocksdb::Error),
    /// A row that must be there is missing, or is not what it should be.
    #[error(
        "the store is damaged: {0}. Do not put an older copy in its place: the witness could sign what it refused before. Read \"After a loss\" in SECURITY.md"
    )]
    Damaged(Damage),
    /// The store was written by another version of this program.
    #[error("the store has format {found}, this program reads format {FORMAT_VERSION}: use the version of acta-witness that wrote it")]
    Format {
        /// The version that stands in the store.
        found: u32,
    },
    /// RocksDB could not write in the background.
    #[error("the store could not write its files in the background. See the disk's health and free space, then start acta-witness again")]
    Background,
    /// The anchor beside the store could not be written.
    #[error("the anchor could not be written: {0}. See the disk's health and free space, then start acta-witness again")]
    Anchor(std::io::Error),
    /// A fault that a test asked for.
    #[error("a fault was injected")]
    Injected,
}

// By hand: `#[from]` would make what the text says already a source as well, and it would be printed twice.
impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> Self {
        StoreError::Database(error)
    }
}

impl From<Damage> for StoreError {
    fn from(damage: Damage) -> Self {
        StoreError::Damaged(damage)
    }
}

/// What is wrong with a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A row has a key or a value of an impossible form.
    #[error("what is stored of a log cannot be read")]
    MalformedRow,
    /// A row that describes the witness itself is missing or malformed.
    #[error("the row `{0}` that describes the witness is missing or malformed")]
    Meta(&'static str),
}

/// A durable home for what a witness cosigned last.
///
/// **Durability.** When [`Store::commit`] returns `Ok`, all its rows survive a power cut. When it returns an error, either all or none of
/// them do, and only reopening the store tells which; the caller must not use the store for writing again.
///
/// **Atomicity.** After any crash a commit's rows are there all together or not at all.
///
/// **Visibility.** A row is seen by readers only once it is durable, and by all of them once `commit` has returned. So what a reader
/// serves binds the witness already.
///
/// **Concurrency.** Reads may come from any number of threads at any time; `commit` comes from one thread. That a row is not overwritten
/// by what was decided before it is for the caller to see to.
pub trait Store: Send + Sync + 'static {
    /// What was cosigned last of this log, if anything.
    fn row(&self, log: &OriginHash) -> Result<Option<Row>, StoreError>;

    /// Puts the rows into the place of those that are there, in one atomic, synced batch.
    fn commit(&self, rows: &[(OriginHash, Row)]) -> Result<(), StoreError>;

    /// How many commits there were, ever. Each commit with a row is one, and counts in the same batch.
    fn commits(&self) -> Result<u64, StoreError>;

    /// Calls `visit` with each row, in the order of their hashes.
    fn scan(&self, visit: &mut dyn FnMut(OriginHash, Row)) -> Result<(), StoreError>;
}
