//! Full tiles and bundles on disk: they never change, so they are fetched once.
//!
//! Nothing is believed because it is in the cache. What is read from it goes through the same authentication as what a server sends;
//! if that fails, the cached files are dropped and fetched again. Whoever can write to the directory can make reading slower and can
//! learn what was read, and nothing else. Only what was authenticated is written, so a hostile server cannot fill the disk with junk;
//! the cache is at most as large as the logs that were read, and may be deleted at any time.

use std::path::{Path, PathBuf};

use tlog::Hash;
use tlog::tiles::{MAX_ENTRY, Resource, TILE_WIDTH};

use crate::durable;

/// The cache of one log.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of the log with this origin below `directory`. Origins are hashed, because they may contain anything.
    pub fn new(directory: &Path, origin: &str) -> Self {
        Cache { root: directory.join(Hash::sha256(origin.as_bytes()).to_hex()) }
    }

    /// The cached bytes; `None` if there are none, or they cannot be read.
    pub(crate) fn get(&self, resource: Resource) -> Option<Vec<u8>> {
        durable::read_bounded(&self.path(resource)?, largest(resource)).ok()?
    }

    /// Keeps the bytes of a full tile or bundle that has been authenticated; does nothing for a partial one.
    pub(crate) fn put(&self, resource: Resource, bytes: &[u8]) {
        let Some(path) = self.path(resource) else { return };
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| durable::write_cached(&path, bytes));
        if let Err(error) = written {
            // A cache that cannot be written costs time and nothing else.
            tracing::debug!(%error, path = %path.display(), "not cached");
        }
    }

    /// Forgets what turned out to be wrong.
    pub(crate) fn remove(&self, resource: Resource) {
        if let Some(path) = self.path(resource) {
            tracing::warn!(path = %path.display(), "a cached file is damaged and is fetched again");
            // If it stays, it is refused again next time.
            let _ = std::fs::remove_file(path);
        }
    }

    fn path(&self, resource: Resource) -> Option<PathBuf> {
        let full = match resource {
            Resource::Tile(id) => id.is_full(),
            Resource::Bundle(id) => id.is_full(),
        };
        full.then(|| self.root.join(resource.path()))
    }
}

fn largest(resource: Resource) -> u64 {
    let each = match resource {
        Resource::Tile(_) => Hash::LEN,
        Resource::Bundle(_) => 2 + MAX_ENTRY,
    };
    u64::from(TILE_WIDTH) * u64::try_from(each).expect("small")
}
