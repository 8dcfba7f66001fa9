//! The data directory of a witness: what lies where, and the lock that keeps a second process out.
//!
//! ```text
//! DIR/db/                     the store (RocksDB); never to be replaced by an older copy
//! DIR/anchor                  how far the witness has come; never part of a backup
//! DIR/witness-ed25519.key     a signing key, readable by its owner only: whoever has it can cosign as this witness
//! DIR/witness-ml-dsa-44.key   the other one, unless the witness was made with --ed25519-only
//! DIR/witness-….vkey          the verifier key of each
//! DIR/witness.vkey            both verifier keys, to be given to everybody
//! DIR/bastion.key             by which an https-bastion knows this witness; cosigns nothing
//! DIR/logs/                   policy files of the logs that it follows
//! DIR/evidence/               what convicts a log, by the hash of its origin
//! DIR/lock                    held while a process works on the directory; its number is in it
//! ```
//!
//! Two processes on one directory would sign two histories, so the lock comes before everything. It cannot see a copy of the directory on
//! another machine: a witness's directory must not be copied.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::Pid;
use tlog::key::Algorithm;

/// A data directory, not yet locked.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// The right to work on a data directory. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Longer than a command needs to look at the lock.
const LOOK: Duration = Duration::from_millis(200);

/// The data directory cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another process is working on {0}: only one may. If it is an acta-witness that you want to replace, stop it first (SIGTERM)")]
    Held(PathBuf),
    /// The lock file cannot be opened.
    #[error("cannot lock {0}: {1}")]
    Io(PathBuf, io::Error),
}

impl DataDir {
    /// The data directory at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        DataDir { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the store is.
    pub fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    /// Where the anchor is.
    pub fn anchor(&self) -> PathBuf {
        self.root.join("anchor")
    }

    /// Where the signing key of this kind is.
    pub fn key(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join(format!("{}.key", stem(algorithm)))
    }

    /// Where the verifier key of this kind is.
    pub fn verifier_key(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join(format!("{}.vkey", stem(algorithm)))
    }

    /// Where all verifier keys are, a line for each.
    pub fn verifier_keys(&self) -> PathBuf {
        self.root.join("witness.vkey")
    }

    /// Where the key for a bastion is.
    pub fn bastion_key(&self) -> PathBuf {
        self.root.join("bastion.key")
    }

    /// Where the policy files of the logs are.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where evidence goes.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Takes the lock, waiting no longer than [`LOOK`], and writes this process's number into it.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let io = |error| LockError::Io(self.root.clone(), error);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(self.lock_file()).map_err(io)?;
        let begun = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                // A command that looks whether a witness is running has it for a moment.
                Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < LOOK => std::thread::sleep(LOOK / 20),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held(self.root.clone())),
                Err(error) => return Err(io(error.into())),
            }
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io)?;
        Ok(Lock { _file: file })
    }

    /// The process that holds the lock, if one does.
    pub fn holder(&self) -> io::Result<Option<Pid>> {
        let mut file = match File::open(self.lock_file()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        let mut text = String::new();
        (&mut file).take(32).read_to_string(&mut text)?;
        Ok(text.trim().parse().ok().and_then(Pid::from_raw))
    }
}

fn stem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::CosignatureMlDsa44 => "witness-ml-dsa-44",
        Algorithm::CosignatureEd25519 | Algorithm::Ed25519 | Algorithm::EcdsaP256 => "witness-ed25519",
    }
}

/// Makes the name of a new file or directory durable: it survives a power cut only once its parent is on the disk as well.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Writes a new file that is there whole or not at all, also after a power cut. Fails where there is one already.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension(format!("{}.tmp", std::process::id()));
    let _ = fs::remove_file(&staged); // left behind by a process with the same number
    let written = (|| {
        let mut file = File::create_new(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A second name for the file, and not a new name, because that would replace what is there.
        fs::hard_link(&staged, path)
    })();
    let removed = fs::remove_file(&staged);
    written?;
    removed?;
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_holds_the_lock_and_others_can_see_who() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        assert_eq!(dir.holder().unwrap(), None);
        let lock = dir.lock().unwrap();
        assert_eq!(dir.holder().unwrap(), Pid::from_raw(std::process::id().cast_signed()));
        assert!(matches!(dir.lock(), Err(LockError::Held(_))));
        drop(lock);
        assert_eq!(dir.holder().unwrap(), None, "a number that was left behind is nobody's");
        assert!(dir.lock().is_ok());
    }

    #[test]
    fn looking_at_the_lock_does_not_keep_a_witness_from_starting() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        drop(dir.lock().unwrap());
        let looking = dir.clone();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let looks = std::thread::spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let _ = looking.holder();
            }
        });
        for _ in 0..50 {
            drop(dir.lock().unwrap());
        }
        drop(stop);
        looks.join().unwrap();
    }
}
