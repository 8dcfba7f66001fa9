//! The state file of a directory of receipts: JSON Lines, only ever added to.
//!
//! The first line says for which log the receipts are. Every other line says which receipt belongs to which line of which input; the
//! last one for a place counts. A line that a crash cut off is dropped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tlog::Hash;
use tlog::printable::Printable;

use super::{Item, receipt_name};
use crate::{durable, terminal};

const NAME: &str = "publish-state.jsonl";
const FORMAT: &str = "acta publish state v1";

/// The state file, open and locked: one run at a time.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    file: BufWriter<File>,
    /// What is in the file, so that a rerun adds only what is new.
    known: HashMap<(String, Option<u64>), Hash>,
}

/// Why the directory of receipts cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A file operation failed.
    #[error("{}: {source}", terminal::path(.path))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another run holds the lock.
    #[error("another `acta publish` is writing to {}; wait until it is done", terminal::path(.path))]
    InUse {
        /// The state file.
        path: PathBuf,
    },
    /// Not a state file.
    #[error("line {line} of {} is not one of ours; move the file away, a new one is written and no receipt is lost", terminal::path(.path))]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// Receipts of another log.
    #[error("the receipts beside {} are of the log {}; use another directory for this one", terminal::path(.path), Printable(origin))]
    OtherLog {
        /// The state file.
        path: PathBuf,
        /// That log.
        origin: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    origin: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    input: String,
    line: Option<u64>,
    receipt: String,
}

impl State {
    /// Opens or creates the state of `directory`, which is created too.
    pub(super) fn open(directory: &Path, origin: &str) -> Result<Self, StateError> {
        let path = directory.join(NAME);
        let failed = |source| StateError::File { path: path.clone(), source };
        durable::create_directory(directory).map_err(failed)?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateError::InUse { path }),
            Err(error) => return Err(failed(error.into())),
        }
        // No other run is at work, so what is unfinished was left by one that was killed.
        remove_unfinished(directory).map_err(failed)?;
        let (header, known, end) = read(&path, &file)?;
        // What follows the last newline was cut off by a crash.
        file.set_len(end).map_err(failed)?;
        let mut state = State { path: path.clone(), file: BufWriter::with_capacity(1 << 16, file), known };
        match header {
            Some(header) if header.origin != origin => return Err(StateError::OtherLog { path, origin: header.origin }),
            Some(_) => {}
            None => {
                state.write(&Header { format: FORMAT.into(), origin: origin.into() })?;
                state.sync()?;
            }
        }
        Ok(state)
    }

    /// Notes which receipt belongs to an item. The note may be there before the receipt is: only the receipt says that it is published.
    pub(super) fn record(&mut self, item: &Item, leaf: &Hash) -> Result<(), StateError> {
        let place = (item.path.display().to_string(), item.line);
        if self.known.get(&place) == Some(leaf) {
            return Ok(());
        }
        self.write(&Record { input: place.0.clone(), line: place.1, receipt: receipt_name(leaf) })?;
        self.known.insert(place, *leaf);
        Ok(())
    }

    /// Makes all of it durable.
    pub(super) fn sync(&mut self) -> Result<(), StateError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|source| StateError::File { path: self.path.clone(), source })
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), StateError> {
        let mut text = serde_json::to_vec(line).expect("strings and numbers are valid JSON");
        text.push(b'\n');
        self.file.write_all(&text).map_err(|source| StateError::File { path: self.path.clone(), source })
    }
}

fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for file in directory.read_dir()? {
        let file = file?;
        if file.file_name().to_str().is_some_and(|name| durable::is_unfinished(name, ".tlog-proof")) {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

type Known = HashMap<(String, Option<u64>), Hash>;

/// The header if there is one, what is noted, and where the last complete line ends.
fn read(path: &Path, file: &File) -> Result<(Option<Header>, Known, u64), StateError> {
    let failed = |source| StateError::File { path: path.to_owned(), source };
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    let (mut header, mut known, mut end) = (None, HashMap::new(), 0);
    let mut text = Vec::new();
    for line in 1_u64.. {
        text.clear();
        let len = reader.read_until(b'\n', &mut text).map_err(failed)?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let damaged = || StateError::Damaged { path: path.to_owned(), line };
        if line == 1 {
            let first: Header = serde_json::from_slice(&text).map_err(|_| damaged())?;
            header = Some(first).filter(|header| header.format == FORMAT);
            header.as_ref().ok_or_else(damaged)?;
        } else {
            let record: Record = serde_json::from_slice(&text).map_err(|_| damaged())?;
            let leaf = record.receipt.strip_suffix(".tlog-proof").and_then(|leaf| Hash::from_hex(leaf).ok()).ok_or_else(damaged)?;
            known.insert((record.input, record.line), leaf);
        }
        end += u64::try_from(len).expect("a length fits");
    }
    Ok((header, known, end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn item(line: u64) -> Item {
        Item { path: "in.jsonl".into(), line: Some(line), bytes: bytes::Bytes::new() }
    }

    #[test]
    fn what_was_noted_is_not_noted_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        for _ in 0..3 {
            let mut state = State::open(dir.path(), "log").unwrap();
            state.record(&item(1), &Hash::leaf(b"a")).unwrap();
            state.record(&item(2), &Hash::leaf(b"a")).unwrap();
            state.sync().unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let mut state = State::open(dir.path(), "log").unwrap();
        state.record(&item(1), &Hash::leaf(b"a")).unwrap();
        state.sync().unwrap();
        drop(state);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut state = State::open(dir.path(), "log").unwrap();
            state.record(&item(1), &Hash::leaf(b"a")).unwrap();
            state.sync().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut after {cut} bytes");
        }
    }

    #[test]
    fn receipts_that_a_killed_run_left_unfinished_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["aa.tlog-proof", "aa.tlog-proof.12-3.tmp", "notes.tmp", "aa.tlog-proof.mine.tmp"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        drop(State::open(dir.path(), "log").unwrap());
        let mut left: Vec<_> = dir.path().read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["aa.tlog-proof", "aa.tlog-proof.mine.tmp", "notes.tmp", NAME]);
    }

    #[test]
    fn receipts_of_two_logs_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        drop(State::open(dir.path(), "one").unwrap());
        assert!(matches!(State::open(dir.path(), "two"), Err(StateError::OtherLog { origin, .. }) if origin == "one"));
    }

    #[test]
    fn two_runs_at_a_time_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = State::open(dir.path(), "log").unwrap();
        assert!(matches!(State::open(dir.path(), "log"), Err(StateError::InUse { .. })));
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), "{\"a\":1}\n").unwrap();
        assert!(matches!(State::open(dir.path(), "log"), Err(StateError::Damaged { line: 1, .. })));
        assert_eq!(std::fs::read_to_string(dir.path().join(NAME)).unwrap(), "{\"a\":1}\n");
    }
}
