//! The state directory of a monitor: what lies where, and the lock that keeps a second process out.
//!
//! ```text
//! DIR/db/         the store (RocksDB): what is followed, and all that was found
//! DIR/evidence/   what convicts a log, or shows what it served; to be given to others
//! DIR/receipts/   receipts that wait to be looked at
//! DIR/db.new/     a store that is still being made, or whose making was cut short
//! DIR/search/     the search index; may be removed, it is made anew from the store
//! DIR/mutes/      which alerts are not sent; made and removed by `acta-monitor mute` and `unmute`
//! DIR/requeue/    deliveries that somebody asked to be tried again
//! DIR/lock        held while a process works on the directory; its number is in it
//! ```
//!
//! Nothing in it is secret. Whoever can write to it can make the monitor overlook things.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serving::directory::sync_parent;

use crate::store::{Store, StoreError, StoreOptions};

pub use serving::directory::{Lock, LockError};

/// What a store is called that is still being made.
const UNFINISHED: &str = "db.new";

/// A state directory, not yet locked.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
}

/// A state directory that somebody works on: its store, and the lock as long as this lives.
#[derive(Debug)]
pub struct OpenState {
    /// The store.
    pub store: Arc<Store>,
    /// Held until this is dropped. Dropped after the store.
    _lock: Lock,
}

/// A state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is none.
    #[error("{} does not hold the state of a monitor: make it with `acta-monitor init`, or name the right directory", .0.display())]
    None(PathBuf),
    /// There is something else.
    #[error("{} is not empty and does not hold the state of a monitor: name another directory", .0.display())]
    NotOurs(PathBuf),
    /// It is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A directory cannot be made or read.
    #[error("cannot use {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StateDir {
    /// The state directory at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        StateDir { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the store is.
    pub fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    /// Where evidence is kept.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// Where receipts are handed over to the process that works on the directory.
    pub fn receipts(&self) -> PathBuf {
        self.root.join("receipts")
    }

    /// Where the search index is.
    pub fn search(&self) -> PathBuf {
        self.root.join("search")
    }

    /// Opens what is there.
    pub fn open(&self, options: StoreOptions) -> Result<OpenState, StateError> {
        // Looked at before the lock, which would make a file in a directory that is not ours.
        if !Store::is_present(&self.db()) {
            return Err(StateError::None(self.root.clone()));
        }
        let lock = self.lock()?;
        self.make(&self.evidence())?;
        Ok(OpenState { store: Arc::new(Store::open(&self.db(), options)?), _lock: lock })
    }

    /// Opens what is there for reading only, as it is now, also while a monitor works on it. Nothing can be written to such a store.
    pub fn look(&self, options: StoreOptions) -> Result<Store, StateError> {
        if !Store::is_present(&self.db()) {
            return Err(StateError::None(self.root.clone()));
        }
        Ok(Store::open_to_read(&self.db(), options)?)
    }

    /// Opens what is there, or begins anew in a directory that is empty or not there yet.
    pub fn open_or_create(&self, options: StoreOptions) -> Result<OpenState, StateError> {
        if Store::is_present(&self.db()) {
            return self.open(options);
        }
        self.make(&self.root)?;
        // A start that was cut short may have left these. Nobody else has a directory with just these names.
        let ours = |name: &std::ffi::OsStr| ["db", UNFINISHED, "lock", "evidence", "receipts", "search"].iter().any(|ours| name == *ours);
        let entries = fs::read_dir(&self.root).map_err(|error| self.failed(&self.root, error))?;
        for entry in entries {
            let name = entry.map_err(|error| self.failed(&self.root, error))?.file_name();
            if !ours(&name) {
                return Err(StateError::NotOurs(self.root.clone()));
            }
        }
        let lock = self.lock()?;
        self.make(&self.evidence())?;
        // Making a store takes several steps, so it gets its name when all of them are done.
        let unfinished = self.root.join(UNFINISHED);
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(&unfinished, error)),
            _ => {}
        }
        drop(Store::create(&unfinished, options)?);
        let named = fs::rename(&unfinished, self.db()).and_then(|()| sync_parent(&self.db())).and_then(|()| sync_parent(&self.root));
        named.map_err(|error| self.failed(&self.root, error))?;
        Ok(OpenState { store: Arc::new(Store::open(&self.db(), options)?), _lock: lock })
    }

    fn lock(&self) -> Result<Lock, LockError> {
        let mut lock = Lock::take(&self.root, "acta-monitor")?;
        lock.write_process().map_err(|error| LockError::Io { root: self.root.clone(), error })?;
        Ok(lock)
    }

    fn make(&self, path: &Path) -> Result<(), StateError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| self.failed(path, error))
    }

    #[allow(clippy::unused_self, reason = "reads like the other steps")]
    fn failed(&self, path: &Path, error: io::Error) -> StateError {
        StateError::Io { path: path.to_owned(), error }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::store::Family;

    #[test]
    fn a_directory_is_made_once_and_opened_by_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        assert!(matches!(state.open(StoreOptions::default()), Err(StateError::None(_))));
        assert!(!state.root().exists(), "looking makes nothing");
        let open = state.open_or_create(StoreOptions::default()).unwrap();
        assert!(matches!(state.open_or_create(StoreOptions::default()), Err(StateError::Lock(LockError::Held { .. }))));
        assert_eq!(state.look(StoreOptions::default()).unwrap().scan(Family::Logs, &[], 1).unwrap(), []);
        drop(open);
        state.open(StoreOptions::default()).unwrap();
    }

    #[test]
    fn a_store_whose_making_was_cut_short_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        // What RocksDB leaves behind when it is killed before it made all families.
        fs::create_dir(dir.path().join(UNFINISHED)).unwrap();
        fs::write(dir.path().join(UNFINISHED).join("CURRENT"), "MANIFEST-000001\n").unwrap();
        drop(state.open_or_create(StoreOptions::default()).unwrap());
        state.open(StoreOptions::default()).unwrap();
        assert!(!dir.path().join(UNFINISHED).exists());
    }

    #[test]
    fn a_directory_with_other_things_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
        let state = StateDir::new(dir.path());
        assert!(matches!(state.open_or_create(StoreOptions::default()), Err(StateError::NotOurs(_))));
        assert!(!state.db().exists() && !dir.path().join("lock").exists());
    }
}
