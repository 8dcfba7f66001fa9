//! What an earlier run computed of a log, so that a later one judges new entries only.
//!
//! Nothing in a snapshot of a ledger can be checked against the log but by computing it again, so whoever writes one decides what is
//! believed. It lies in the cache, which may be shared, copied or restored from elsewhere and is trusted with nothing; what is
//! trusted is its digest, which lies in the user's own state directory beside the heads of audits. A snapshot that does not have that digest,
//! that is damaged, or that is of another log, other keys of it, or another version of this program is as none.
//!
//! Invariant: a ledger that is taken up again was computed here, by this version, from the entries under a head that was verified here; and the
//! log's head of today is then shown to continue that head, before anything more is judged ([`LogFold::advance`]). A log that does
//! not continue it has changed its history, and that is an error and no reason to begin anew. One that has fewer entries may be a copy that
//! is behind: for it everything is computed again, and nothing is kept.

use std::path::{Path, PathBuf};

use decision::ledger::{Fold, MemoryLedger};
use serde::{Deserialize, Serialize};
use tlog::checkpoint::{Checkpoint, Origin};
use tlog::policy::Policy;
use tlog::{Hash, TreeSize};

use super::{LogFold, Misfits};
use crate::durable;
use crate::verified::VerifiedLog;

/// Raised when what is kept means another thing, or when the rules change.
const FORMAT: &str = "acta fold v1";

/// A snapshot is not written for fewer new entries than this, or than a part of those that it has.
const WORTH_KEEPING: u64 = 256;
const PART: u64 = 64;

/// The most bytes of a digest's file.
const MAX_SEAL: u64 = 128;

/// Where the snapshot of one log is, and its digest.
#[derive(Clone, Debug)]
pub struct FoldCache {
    snapshot: PathBuf,
    seal: PathBuf,
}

/// The first line of a snapshot's file: what the ledger after it is of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: String,
    origin: String,
    keys: Vec<String>,
    size: u64,
    root: String,
    misfits: Misfits,
}

impl FoldCache {
    /// For the log with this origin: the snapshot below `cache`, its digest below `state`, which nobody else may write to.
    pub fn new(cache: &Path, state: &Path, origin: &str) -> Self {
        let log = Hash::sha256(origin.as_bytes()).to_hex();
        FoldCache { snapshot: cache.join(&log).join("fold"), seal: state.join(log) }
    }

    /// What was kept of `log`, if it can be used under `policy`; else a fold before the first entry.
    pub fn resume(&self, policy: &Policy, log: &VerifiedLog) -> LogFold {
        let new = LogFold::new(policy, log.checkpoint().origin().as_str());
        match self.read(policy, log) {
            Some((header, ledger, head)) => {
                let (rules, size) = (new.fold.rules().clone(), TreeSize::new(header.size));
                LogFold { fold: Fold::resume(rules, ledger, size), head: Some(head), misfits: header.misfits, kept: size }
            }
            None => new,
        }
    }

    /// Keeps what was computed, if it is worth it. A run that cannot keep it has lost nothing.
    pub fn keep(&self, fold: &LogFold, policy: &Policy) {
        let (Some(head), size) = (&fold.head, fold.size()) else { return };
        let new = size.as_u64().saturating_sub(fold.kept.as_u64());
        if head.size() != size || new < WORTH_KEEPING.max(size.as_u64() / PART) {
            return;
        }
        if let Err(error) = self.write(&header(head, policy, fold.misfits.clone()), fold.fold.ledger()) {
            tracing::debug!(%error, path = %self.snapshot.display(), "not kept");
        }
    }

    fn write(&self, header: &Header, ledger: &MemoryLedger) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(header).expect("texts and numbers are valid JSON");
        bytes.push(b'\n');
        bytes.extend(ledger.snapshot(header.size));
        [&self.snapshot, &self.seal].into_iter().filter_map(|path| path.parent()).try_for_each(std::fs::create_dir_all)?;
        durable::write_cached(&self.snapshot, &bytes)?;
        // Last: until it is there, the snapshot is as none.
        durable::write_cached(&self.seal, format!("{} {}\n", Hash::sha256(&bytes).to_hex(), bytes.len()).as_bytes())
    }

    fn read(&self, policy: &Policy, log: &VerifiedLog) -> Option<(Header, MemoryLedger, Checkpoint)> {
        let seal = String::from_utf8(durable::read_bounded(&self.seal, MAX_SEAL).ok()??).ok()?;
        let (digest, length) = seal.trim_end().split_once(' ')?;
        let bytes = durable::read_bounded(&self.snapshot, length.parse().ok()?).ok()??;
        if Hash::sha256(&bytes).to_hex() != digest {
            tracing::warn!(path = %self.snapshot.display(), "the kept ledger is not the one that was computed here, and is not used");
            return None;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (kept, ledger) = (serde_json::from_slice::<Header>(&bytes[..end]).ok()?, bytes.get(end + 1..)?);
        let origin = Origin::parse(&kept.origin).ok()?;
        let head = Checkpoint::new(origin, TreeSize::new(kept.size), Hash::from_hex(&kept.root).ok()?);
        let expected = header(&head, policy, kept.misfits.clone());
        if kept != expected || head.origin() != log.checkpoint().origin() || head.size() > log.size() {
            return None;
        }
        let (ledger, size) = MemoryLedger::from_snapshot(ledger).ok()?;
        (size == kept.size).then_some((kept, ledger, head))
    }
}

/// What this version writes of a ledger that was computed under `head`.
fn header(head: &Checkpoint, policy: &Policy, misfits: Misfits) -> Header {
    let origin = head.origin().as_str();
    let keys = policy.logs().iter().map(|log| log.key()).filter(|key| key.name().as_str() == origin);
    Header {
        format: FORMAT.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        origin: origin.into(),
        keys: keys.map(ToString::to_string).collect(),
        size: head.size().as_u64(),
        root: head.root().to_hex(),
        misfits,
    }
}
