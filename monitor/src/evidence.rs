//! Files of evidence: two heads under a log's own signature that contradict each other ([`tlog::evidence`]), and pairs that could not be
//! brought together.
//!
//! ```text
//! STATE/evidence/<SHA-256 of the origin>/<id>.acta-evidence    convicts by itself: acta verify --evidence FILE --log-key VKEY
//! STATE/evidence/<SHA-256 of the origin>/unproven-<id>.json    two heads; convicts nobody
//! ```
//!
//! Invariant: a file is on the disk before a finding names it. A finding that says "proved" without its proof would be a rumour.
//!
//! The same two histories are one file, however often they are found and however often the log signs them. A log that signs a thousand
//! histories fills its own share of the disk and no more: it is convicted by the first. What convicts and what does not have shares of their
//! own, so that the second kind, which costs a log nothing, cannot take the room of the first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use acta_client::audit::ConflictingHeads;
use acta_client::durable;
use jiff::Timestamp;
use tlog::Hash;
use tlog::checkpoint::{Origin, SignedCheckpoint};
use tlog::evidence::{EXTENSION, Evidence, MAX_EVIDENCE};

/// The most files that convict one log. With at most [`MAX_EVIDENCE`] bytes each, that is 17 MB.
pub const MAX_CONVICTING: usize = 64;

/// The most pairs of one log that convict nobody.
pub const MAX_UNPROVEN: usize = 64;

const UNPROVEN: &str = "unproven-";

/// Evidence could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: {source}. Evidence of a log that signed two histories belongs there: free the disk, or let acta-monitor write to it; it is tried again",
    .path.display()
)]
pub struct EvidenceError {
    /// Which file or directory.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Keeps what convicts a log below `dir`, synced, and gives the name that a finding calls it by. `None` if the log's share is full: it has been
/// convicted [`MAX_CONVICTING`] times by then.
pub fn keep(dir: &Path, evidence: &Evidence) -> Result<Option<String>, EvidenceError> {
    let name = evidence.file_name();
    write(&place(dir, evidence.origin()), name, &evidence.to_bytes(), MAX_CONVICTING, is_convicting)
}

/// Keeps two heads that could not be brought together, in the form in which `acta audit` keeps them. `None` if the log's share is full.
pub fn keep_pair(
    dir: &Path,
    earlier: &SignedCheckpoint,
    other: &SignedCheckpoint,
    now: Timestamp,
) -> Result<Option<String>, EvidenceError> {
    let heads = ConflictingHeads::new(ConflictingHeads::FORMAT_UNPROVEN, now, earlier, other);
    let origin = other.checkpoint().origin();
    write(&place(dir, origin), pair_name(earlier, other), heads.to_json().as_bytes(), MAX_UNPROVEN, is_unproven)
}

/// The bytes of a file that [`keep`] or [`keep_pair`] named; `None` if there is no such file. Any text may be given as a name.
pub fn read(dir: &Path, name: &str) -> Result<Option<Vec<u8>>, EvidenceError> {
    if !is_convicting(name) && !is_unproven(name) {
        return Ok(None);
    }
    let logs = match fs::read_dir(dir) {
        Ok(logs) => logs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(EvidenceError { path: dir.to_owned(), source }),
    };
    for log in logs {
        let log = log.map_err(|source| EvidenceError { path: dir.to_owned(), source })?;
        let path = log.path().join(name);
        match durable::read_bounded(&path, u64::try_from(MAX_EVIDENCE).expect("small")) {
            Ok(bytes) => return Ok(bytes),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(source) => return Err(EvidenceError { path, source }),
        }
    }
    Ok(None)
}

/// The directory of one log. Origins may contain anything, so it is their hash.
pub fn place(dir: &Path, origin: &Origin) -> PathBuf {
    dir.join(Hash::sha256(origin.as_str().as_bytes()).to_hex())
}

/// What names a pair: sizes and root hashes, in one order, and neither signatures nor times.
fn pair_name(one: &SignedCheckpoint, other: &SignedCheckpoint) -> String {
    let mut heads = [one, other].map(|head| format!("{} {}\n", head.checkpoint().size(), head.checkpoint().root().to_base64()));
    heads.sort();
    let id = Hash::sha256(format!("unproven\n{}\n{}", one.checkpoint().origin(), heads.concat()).as_bytes()).to_hex();
    format!("{UNPROVEN}{}.json", &id[..32])
}

fn write(dir: &Path, name: String, bytes: &[u8], most: usize, of_its_kind: fn(&str) -> bool) -> Result<Option<String>, EvidenceError> {
    let path = dir.join(&name);
    let failed = |source| EvidenceError { path: path.clone(), source };
    if path.try_exists().map_err(failed)? {
        return Ok(Some(name));
    }
    if count(dir, of_its_kind).map_err(failed)? >= most {
        return Ok(None);
    }
    durable::create_directory(dir).map_err(failed)?;
    durable::write(&path, bytes).map_err(failed)?;
    Ok(Some(name))
}

fn count(dir: &Path, of_its_kind: fn(&str) -> bool) -> io::Result<usize> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        count += usize::from(entry?.file_name().to_str().is_some_and(of_its_kind));
    }
    Ok(count)
}

fn is_convicting(name: &str) -> bool {
    name.strip_suffix(EXTENSION).and_then(|name| name.strip_suffix('.')).is_some_and(is_id)
}

fn is_unproven(name: &str) -> bool {
    name.strip_prefix(UNPROVEN).and_then(|name| name.strip_suffix(".json")).is_some_and(is_id)
}

fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::heads::fixture::{Tree, keys};

    #[test]
    fn what_convicts_is_kept_once_and_read_back_by_its_name_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Tree::new("one", 3, 20), Tree::new("other", 3, 20));
        let evidence = Evidence::same_size(&one.head(7), &other.head(7), &keys()).unwrap();
        let name = keep(dir.path(), &evidence).unwrap().unwrap();
        assert_eq!(keep(dir.path(), &evidence).unwrap().as_ref(), Some(&name));
        assert_eq!(count(&place(dir.path(), evidence.origin()), is_convicting).unwrap(), 1);
        let bytes = read(dir.path(), &name).unwrap().unwrap();
        assert!(Evidence::parse(&bytes).unwrap().verify(&keys()).is_ok());
        for name in [
            "",
            "..",
            "../x",
            &format!("../{name}"),
            &name.to_uppercase(),
            "unproven-.json",
            "00000000000000000000000000000000.acta-evidence",
        ] {
            assert_eq!(read(dir.path(), name).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn a_log_fills_its_share_and_no_more_and_pairs_do_not_take_the_room_of_what_convicts() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Tree::new("one", 0, 80), Tree::new("other", 0, 80));
        for size in 1..=80 {
            let kept = keep_pair(dir.path(), &one.head(size), &other.head(size), Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(kept.is_some(), size <= 64, "{size}");
        }
        for size in 1..=80 {
            let evidence = Evidence::same_size(&one.head(size), &other.head(size), &keys()).unwrap();
            assert_eq!(keep(dir.path(), &evidence).unwrap().is_some(), size <= 64, "{size}");
        }
        // In whichever order a pair is found it is one file, and `acta audit` would read it.
        let name = keep_pair(dir.path(), &other.head(3), &one.head(3), Timestamp::UNIX_EPOCH).unwrap().unwrap();
        let pair: ConflictingHeads = serde_json::from_slice(&read(dir.path(), &name).unwrap().unwrap()).unwrap();
        assert_eq!(pair.format, ConflictingHeads::FORMAT_UNPROVEN);
        assert_eq!(SignedCheckpoint::parse(pair.earlier.as_bytes()).unwrap(), one.head(3));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_an_error_and_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Tree::new("one", 3, 20), Tree::new("other", 3, 20));
        let evidence = Evidence::same_size(&one.head(7), &other.head(7), &keys()).unwrap();
        fs::write(place(dir.path(), evidence.origin()), b"in the way").unwrap();
        let error = keep(dir.path(), &evidence).unwrap_err();
        assert!(error.to_string().contains("free the disk"), "{error}");
    }
}
