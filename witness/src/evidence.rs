//! Files of evidence: two heads under a log's own signature that contradict each other (see [`tlog::evidence`]).
//!
//! ```text
//! DIR/evidence/<SHA-256 of the origin>/<id of the finding>.acta-evidence
//! ```
//!
//! Only what convicts by itself becomes a file. A proof that merely fails convicts nobody, since anybody can send one with a genuine head; it
//! is counted, and mentioned now and then. A file is on the disk before the request that brought it is answered. The same two histories are
//! one file, however often they are sent. A log that signs a thousand histories fills its own share of the disk and no more: it is convicted
//! by the first.

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serving::directory::sync_parent;
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::{EXTENSION, Evidence, NotEvidence};
use tlog::printable::Printable;
use tlog::witness::Verified;

use crate::data_dir::write_new;
use crate::logs::Log;
use crate::metrics::Metrics;
use crate::store::OriginHash;

/// How much is kept of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceLimits {
    /// Files.
    pub files: NonZeroU32,
    /// Their bytes.
    pub bytes: u64,
}

/// What became of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Written(PathBuf),
    /// The same finding is there already.
    Known,
    /// The log's share of the disk is full.
    NoRoom,
}

/// Where evidence goes.
#[derive(Debug)]
pub struct Evidences {
    place: Arc<Place>,
    /// One at a time, so that the limits are exact.
    writing: tokio::sync::Mutex<()>,
    /// When the last message about what proves nothing was printed.
    mentioned: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Place {
    dir: PathBuf,
    limits: EvidenceLimits,
}

/// Between two messages about proofs that failed. Anybody can cause them.
const SELDOM: Duration = Duration::from_secs(60);

impl Evidences {
    /// In this directory, which need not be there yet.
    pub fn new(dir: PathBuf, limits: EvidenceLimits) -> Self {
        Evidences { place: Arc::new(Place { dir, limits }), writing: tokio::sync::Mutex::default(), mentioned: Mutex::default() }
    }

    /// Keeps what convicts the log, if something does: `known` is what was cosigned last, `refused` what was refused.
    pub(crate) async fn keep(&self, hash: OriginHash, log: &Log, known: &SignedCheckpoint, refused: &Verified, metrics: &Metrics) {
        let origin = Printable(log.origin());
        let evidence = match Evidence::from_failed_proof(known, refused.signed(), refused.proof(), log.keys()) {
            Ok(evidence) => evidence,
            Err(NotEvidence::NoContradiction(_)) => {
                metrics.unproven_total.inc();
                if self.may_mention(Instant::now()) {
                    tracing::warn!("a proof of {origin} did not verify, which convicts nobody; the metrics count how many do not");
                }
                return;
            }
            // What was cosigned under a key that is not in the policy any more.
            Err(error) => {
                metrics.evidence_dropped_total.inc();
                tracing::error!(
                    "{origin} contradicts what was cosigned, but under its present keys no evidence can be made of it: {error}"
                );
                return;
            }
        };
        let _one_at_a_time = self.writing.lock().await;
        let place = Arc::clone(&self.place);
        match tokio::task::spawn_blocking(move || place.write(hash, &evidence)).await {
            Ok(Ok(Kept::Written(path))) => {
                metrics.evidence_total.inc();
                tracing::error!("{origin} has signed two histories: the evidence is in {}", path.display());
            }
            Ok(Ok(Kept::Known)) => {}
            Ok(Ok(Kept::NoRoom)) => metrics.evidence_dropped_total.inc(),
            Ok(Err(error)) => {
                metrics.evidence_dropped_total.inc();
                tracing::error!("{origin} has signed two histories, but the evidence cannot be written: {error}");
            }
            Err(error) => tracing::error!("evidence was lost over a defect of acta-witness, please report it: {error}"),
        }
    }

    fn may_mention(&self, now: Instant) -> bool {
        let mut mentioned = self.mentioned.lock().unwrap_or_else(PoisonError::into_inner);
        let may = mentioned.is_none_or(|before| now.saturating_duration_since(before) >= SELDOM);
        if may {
            *mentioned = Some(now);
        }
        may
    }
}

impl Place {
    fn write(&self, log: OriginHash, evidence: &Evidence) -> io::Result<Kept> {
        let dir = self.dir.join(log.to_string());
        let path = dir.join(evidence.file_name());
        if path.try_exists()? {
            return Ok(Kept::Known);
        }
        let bytes = evidence.to_bytes();
        let (files, total) = taken(&dir)?;
        let most = usize::try_from(self.limits.files.get()).unwrap_or(usize::MAX);
        if files >= most || total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)) > self.limits.bytes {
            return Ok(Kept::NoRoom);
        }
        fs::create_dir_all(&dir).and_then(|()| sync_parent(&dir)).and_then(|()| sync_parent(&self.dir))?;
        write_new(&path, &bytes)?;
        Ok(Kept::Written(path))
    }
}

/// How many files of evidence a directory has, and their bytes.
fn taken(dir: &Path) -> io::Result<(usize, u64)> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let (mut files, mut bytes) = (0, 0);
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
            files += 1;
            bytes += entry.metadata()?.len();
        }
    }
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tlog::checkpoint::{Checkpoint, Origin};
    use tlog::key::{Algorithm, KeyName, SigningKey};
    use tlog::{Hash, TreeSize};

    use super::*;

    fn log_key() -> SigningKey {
        SigningKey::from_seed(KeyName::new("example.com/log").unwrap(), Algorithm::Ed25519, &[3; 32]).unwrap()
    }

    fn evidence(entry: u8) -> Evidence {
        let key = log_key();
        let head = |entry: &[u8]| {
            let checkpoint = Checkpoint::new(Origin::parse("example.com/log").unwrap(), TreeSize::new(1), Hash::leaf(entry));
            SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap()
        };
        Evidence::same_size(&head(b"what was said first"), &head(&[entry]), &[key.verifier_key().clone()]).unwrap()
    }

    fn place(dir: &Path, files: u32, bytes: u64) -> Place {
        Place { dir: dir.to_owned(), limits: EvidenceLimits { files: NonZeroU32::new(files).unwrap(), bytes } }
    }

    #[test]
    fn each_finding_is_one_file_that_convicts_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (place, log) = (place(&dir.path().join("evidence"), 9, 1 << 20), OriginHash::of_text("example.com/log"));
        let Kept::Written(path) = place.write(log, &evidence(1)).unwrap() else { panic!("it is new") };
        assert!(path.starts_with(dir.path().join("evidence").join(log.to_string())));
        assert_eq!(place.write(log, &evidence(1)).unwrap(), Kept::Known);
        let read = Evidence::parse(&fs::read(&path).unwrap()).unwrap();
        assert!(read.verify(&[log_key().verifier_key().clone()]).is_ok());
        assert_eq!(taken(path.parent().unwrap()).unwrap().0, 1, "and nothing else is left there");
    }

    #[test]
    fn a_log_fills_its_own_share_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let (log, other) = (OriginHash::of_text("example.com/log"), OriginHash::of_text("example.com/other"));
        let by_count = place(&dir.path().join("a"), 2, 1 << 20);
        let kept = |place: &Place, log, entry| matches!(place.write(log, &evidence(entry)).unwrap(), Kept::Written(_));
        assert_eq!([1, 2, 3, 4].map(|entry| kept(&by_count, log, entry)), [true, true, false, false]);
        assert!(kept(&by_count, other, 3), "another log has its own");
        let length = u64::try_from(evidence(1).to_bytes().len()).unwrap();
        let by_bytes = place(&dir.path().join("b"), 9, 2 * length + length / 2);
        assert_eq!([1, 2, 3].map(|entry| kept(&by_bytes, log, entry)), [true, true, false]);
    }

    #[test]
    fn what_proves_nothing_is_mentioned_now_and_then() {
        let evidences = Evidences::new(PathBuf::new(), EvidenceLimits { files: NonZeroU32::MIN, bytes: 1 });
        let now = Instant::now();
        let seconds = |seconds| evidences.may_mention(now + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61].map(seconds), [true, false, false, true, false]);
    }
}
