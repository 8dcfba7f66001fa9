//! What a monitor keeps, and the one way to change it.
//!
//! | family | key | row |
//! |---|---|---|
//! | `meta` | name | format version, counters |
//! | `logs` | number of the log u32 | how far it was read, its right edge, its newest head |
//! | `heads` | number of the log, kind of row u8, size u64 and root or a source | each head that was seen of it, when and where ([`crate::heads`]) |
//! | `bundles` | number of the log, number of the bundle u64 | up to 256 entries, as tlog-tiles serves them |
//! | `nodes` | number of the log, height u8, position u64 | hashes of whole bundles and of 256 of those and so on ([`crate::history`]) |
//! | `ledger` | number of the log, key of the ledger | what its statements say together ([`decision::ledger`]) |
//! | `checks` | number of the log, name of a check, NUL, key | what checks keep |
//! | `findings` | id | findings, open and resolved |
//! | `events` | number u64 | what happened to findings, in order |
//! | `alerts` | kind of row, key | groups of findings, and what is still to be delivered to whom |
//!
//! Numbers in keys are big-endian. All that follows from an entry is written in the batch that moves the cursor over it; see [`Store::write`].
//!
//! The store is trusted by its own monitor alone. Whoever can write to it can hide findings; nobody else believes it, since everything
//! can be drawn anew from the logs.

mod rocks;

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

pub(crate) use rocks::MAX_OPEN_FILES;
#[cfg(test)]
pub(crate) use rocks::PASSED;
pub use rocks::{StoreOptions, Txn};

/// The version of all rows together. A store of another version is refused.
pub const FORMAT_VERSION: u32 = 1;

/// A kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// What describes the store.
    Meta,
    /// The logs that are followed.
    Logs,
    /// Heads that were seen.
    Heads,
    /// Entries.
    Bundles,
    /// Hashes of their tree.
    Nodes,
    /// Ledgers.
    Ledger,
    /// What checks keep.
    Checks,
    /// Findings.
    Findings,
    /// What happened to findings.
    Events,
    /// Alerts, and what is still to be delivered.
    Alerts,
}

/// The store failed. Its reader or writer must not go on as if nothing was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// RocksDB reported an error.
    #[error(
        "the monitor's store reported an error: {0}. See the disk's health and free space, then start acta-monitor again: it goes on where it was"
    )]
    Database(rocksdb::Error),
    /// A row that must be there is missing, or is not what it should be.
    #[error(
        "the monitor's store is damaged: {0}. Remove the directory db in the state directory: everything in it is drawn anew from the logs, but for what is only kept here, such as heads seen elsewhere"
    )]
    Damaged(Damage),
    /// The store was written by another version of this program.
    #[error(
        "the monitor's store has format {found}, this program reads format {FORMAT_VERSION}: use the version of acta-monitor that wrote it, or begin with another state directory"
    )]
    Format {
        /// The version that stands in the store.
        found: u32,
    },
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
    #[error("a row cannot be read")]
    MalformedRow,
    /// A row that describes the store itself is missing or malformed.
    #[error("the row `{0}` is missing or malformed")]
    Meta(&'static str),
}

/// Keys and rows.
pub type Row = (Vec<u8>, Vec<u8>);

/// The store. One process at a time; the lock of the state directory sees to that.
#[derive(Debug)]
pub struct Store {
    db: rocks::Db,
    /// Held while a batch is put together: each sees what those before it wrote, and nobody else writes meanwhile.
    writer: Mutex<()>,
    /// Counts batches, for those who follow what is written.
    written: watch::Sender<u64>,
}

impl Store {
    /// Makes a new store in `dir`, which must not hold one.
    pub fn create(dir: &std::path::Path, options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Store::new(rocks::Db::create(dir, options)?))
    }

    /// Opens a store; never makes one. Changes nothing in a store of another format.
    pub fn open(dir: &std::path::Path, options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Store::new(rocks::Db::open(dir, options)?))
    }

    /// Opens a store as it is now, to read it while another process may be writing to it. It sees nothing of what is written later, and every
    /// [`write`](Store::write) fails.
    pub fn open_to_read(dir: &std::path::Path, options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Store::new(rocks::Db::open_to_read(dir, options)?))
    }

    /// Whether there is a store in `dir`.
    pub fn is_present(dir: &std::path::Path) -> bool {
        dir.join("CURRENT").is_file()
    }

    fn new(db: rocks::Db) -> Self {
        Store { db, writer: Mutex::new(()), written: watch::Sender::new(0) }
    }

    /// The row with this key.
    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(family, key)
    }

    /// At most `limit` rows whose keys begin with `prefix`, in the order of their keys.
    pub fn scan(&self, family: Family, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.db.scan(family, prefix, prefix, limit)
    }

    /// At most `limit` rows from the key `from` on, in the order of their keys.
    pub fn scan_from(&self, family: Family, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.db.scan(family, &[], from, limit)
    }

    /// Puts a batch together and writes it: all of it, or nothing if `fill` fails or the machine does.
    ///
    /// `fill` sees what it has written itself. It runs alone: it is no place to wait for anything. A batch with events survives a power cut
    /// once this has returned; others survive that of the process, and a power cut as far as the disk has come, without gaps.
    pub fn write<T, E: From<StoreError>>(&self, fill: impl FnOnce(&mut Txn<'_>) -> Result<T, E>) -> Result<T, E> {
        self.write_drafted(self.draft(), fill)
    }

    /// Begins a batch outside of the lock under which batches are put together, since filling it takes long. It may read and write only rows that
    /// nobody else writes, such as those of a log for its follower; what others write as well comes in [`Store::write_drafted`].
    pub fn draft(&self) -> Txn<'_> {
        Txn::new(&self.db)
    }

    /// As [`Store::write`], for a batch that was begun by [`Store::draft`].
    pub fn write_drafted<'s, T, E: From<StoreError>>(
        &'s self,
        mut draft: Txn<'s>,
        fill: impl FnOnce(&mut Txn<'s>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic in a `fill` has written nothing.
        let _alone = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = fill(&mut draft)?;
        draft.commit()?;
        self.written.send_modify(|count| *count += 1);
        Ok(filled)
    }

    /// Tells when something was written. What it was is for whoever wakes up to read.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }
}

#[cfg(test)]
mod tests;
