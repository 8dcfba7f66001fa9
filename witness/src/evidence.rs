//! Files of evidence: two statements under a log's own signature that contradict each other.

use std::num::NonZeroU32;
use std::sync::Arc;

use tlog::checkpoint::SignedCheckpoint;

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

/// Where evidence goes.
#[derive(Debug)]
pub struct Evidences {
    dir: std::path::PathBuf,
    limits: EvidenceLimits,
}

impl Evidences {
    /// In this directory.
    pub fn new(dir: std::path::PathBuf, limits: EvidenceLimits) -> Self {
        Evidences { dir, limits }
    }

    pub(crate) async fn keep(&self, _log: OriginHash, _before: SignedCheckpoint, _now: SignedCheckpoint, _of: Arc<Log>, metrics: &Metrics) {
        let _ = (&self.dir, self.limits);
        metrics.evidence_dropped_total.inc();
    }

    pub(crate) fn unproven(&self, _log: OriginHash, _of: &Log) {}
}
