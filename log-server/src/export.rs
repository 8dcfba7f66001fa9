//! Exporting a log as a tree of files that any web server can serve (C2SP tlog-tiles): `acta-log export`.
//!
//! Files are written under another name and renamed, and the checkpoint comes last, after all else is on the disk: whenever the export
//! is interrupted, what its checkpoint needs is there. A rerun compares what it finds with what should be there and writes what differs,
//! so neither an interrupted export of another log nor files that a power cut emptied survive it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tlog::TreeSize;
use tlog::checkpoint::SignedCheckpoint;
use tlog::tiles::{bundles_of, tiles_of};

use crate::head::Head;
use crate::startup::{self, StartupError};
use crate::store::{Store, StoreError};

/// The log could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The log is not in order.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no head to export under.
    #[error(
        "no head of this log was published yet, so there is nothing to export: its witnesses have to cosign one first. Serve it, then export"
    )]
    NothingPublished,
    /// A file cannot be written.
    #[error("cannot write {0}: {1}. What was exported so far stays; run the same command again to go on")]
    Write(PathBuf, io::Error),
    /// The directory holds the export of another log, or of another history of this one.
    #[error("{0} holds a checkpoint that does not belong to this log's history: choose another directory")]
    OtherLog(PathBuf),
}

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files written now.
    pub written: u64,
    /// Files that were there from an earlier run.
    pub kept: u64,
}

/// Writes the log in `store` into `out`, as far as it was published. `newest` is its newest committed head. `progress` is told how many
/// entries are done, and of how many.
pub fn export<S: Store>(
    store: &S,
    newest: &Head,
    published: Option<&Head>,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    startup::rebuild_edge(store, newest)?;
    // The head of a log without entries is the one that `init` signed.
    let head = published.or(Some(newest).filter(|head| head.size() == TreeSize::ZERO)).ok_or(ExportError::NothingPublished)?;
    let size = head.size();
    check_earlier(store, head, out)?;
    let mut tree = Tree { out, exported: Exported::default() };
    for bundle in bundles_of(size) {
        startup::check_bundle(store, bundle)?;
        tree.file(&bundle.path(), &store.bundle(bundle.first_index(), bundle.width())?)?;
        progress(bundle.first_index().as_u64() + u64::from(bundle.width()), size.as_u64());
    }
    for tile in tiles_of(size) {
        tree.file(&tile.path(), &store.tile_bytes(tile)?)?;
    }
    tree.settle()?;
    tree.replace("checkpoint", &head.bytes())?;
    tree.settle()?;
    Ok(tree.exported)
}

/// A checkpoint from an earlier export must be of this log's own past.
fn check_earlier<S: Store>(store: &S, head: &Head, out: &Path) -> Result<(), ExportError> {
    let path = out.join("checkpoint");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ExportError::Write(path, error)),
    };
    let Ok(earlier) = SignedCheckpoint::parse(&bytes) else { return Err(ExportError::OtherLog(out.into())) };
    let (earlier, newest) = (earlier.checkpoint(), head.checkpoint().checkpoint());
    let past = earlier.origin() == newest.origin() && earlier.size() <= newest.size();
    if !past || startup::stored_root(store, earlier.size())? != *earlier.root() {
        return Err(ExportError::OtherLog(out.into()));
    }
    Ok(())
}

/// The directory that is being filled.
struct Tree<'a> {
    out: &'a Path,
    exported: Exported,
}

impl Tree<'_> {
    /// Writes a file, unless it is there as it should be.
    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        if fs::read(self.out.join(path)).is_ok_and(|found| found == bytes) {
            self.exported.kept += 1;
            return Ok(());
        }
        self.replace(path, bytes)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.out.join(path);
        let temporary = path.with_extension("new");
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(self.out))?;
            fs::write(&temporary, bytes)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|error| ExportError::Write(path.clone(), error))?;
        self.exported.written += 1;
        Ok(())
    }

    /// Everything so far is on the disk when this returns.
    fn settle(&self) -> Result<(), ExportError> {
        let sync = || -> io::Result<()> {
            fs::create_dir_all(self.out)?;
            Ok(rustix::fs::syncfs(File::open(self.out)?)?)
        };
        sync().map_err(|error| ExportError::Write(self.out.into(), error))
    }
}
