//! Evidence from what a log serves: where its head contradicts one that it signed earlier, a file that convicts it by itself.
//!
//! See [`tlog::evidence`] for what convicts. The tiles of the log as it is served now are enough: the earlier head pins down the whole
//! earlier list, so it differs from the beginning of the present one in the range of all its entries, and the tiles prove the hash that
//! this range has now.

use tlog::TreeSize;
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::{Branch, Evidence, ProvenHash};
use tlog::key::VerifierKey;
use tlog::merkle::Subtree;
use tlog::tiles::Plan;

use crate::verified::VerifiedLog;

/// What convicts the log, if its head contradicts `earlier` under its own signature. `None` if it does not, or if nothing that it serves
/// proves it: a log that has fewer entries than before may only have gone back.
pub async fn against(log: &VerifiedLog, earlier: &SignedCheckpoint, log_keys: &[VerifierKey]) -> Option<Evidence> {
    let old = earlier.checkpoint();
    let now = log.head().signed();
    if old.size() == log.size() {
        return Evidence::same_size(earlier, now, log_keys).ok();
    }
    if old.size() == TreeSize::ZERO || old.size() > log.size() {
        return None;
    }
    let beginning = Subtree::new(0, old.size().as_u64()).ok()?;
    let mut plan = Plan::new(log.size());
    plan.consistency(old.size()).ok()?;
    plan.subtree(beginning).ok()?;
    let tiles = log.tiles(plan).await.ok()?;
    let served = ProvenHash { hash: tiles.root_at(old.size())?, proof: tiles.prove_subtree(beginning).ok()? };
    let known = ProvenHash { hash: *old.root(), proof: Vec::new() };
    let [known, served] = [(earlier, known), (now, served)].map(|(head, proven)| Branch { head: head.clone(), proven });
    Evidence::divergent(beginning, known, served, log_keys).ok()
}
