//! What a log served that is not what it signed, kept as it came.
//!
//! It convicts nobody, since nobody signed it. But whoever asks the log's operator what that was wants to have it.

use std::path::Path;

use acta_client::durable;
use acta_client::verified::VerifiedLog;
use tlog::tiles::{BundleId, Entries, Plan};
use tlog::{Hash, LeafIndex};

use crate::evidence::{EvidenceError, place};

/// The most files of this kind for one log.
const MAX_FILES: usize = 32;

/// Of more bytes only the first so many are kept.
const MAX_BYTES: usize = 1 << 20;

/// What came of asking again.
pub(super) enum Served {
    /// It is what it should be.
    Good,
    /// It is not; this file has it, if there was room for one.
    Wrong(Option<String>),
}

/// Fetches the bundle with the entry at `index` once more, and keeps it if that entry is not the log's.
pub(super) async fn keep_forged(log: &VerifiedLog, index: LeafIndex, dir: &Path) -> Result<Served, EvidenceError> {
    let Some(id) = BundleId::containing(index, log.size()) else { return Ok(Served::Wrong(None)) };
    let (Ok(bytes), Some(expected)) = (log.source().bundle(id).await, leaf(log, index).await) else { return Ok(Served::Wrong(None)) };
    let place_in_bundle = usize::try_from(index.as_u64() - id.first_index().as_u64()).expect("less than 256");
    let entry = Entries::new(&bytes).nth(place_in_bundle);
    if entry.is_some_and(|entry| entry.is_ok_and(|entry| Hash::leaf(entry) == expected)) {
        return Ok(Served::Good);
    }
    let dir = place(dir, log.checkpoint().origin());
    let name = format!("served-{}.bundle", &Hash::sha256(&bytes).to_hex()[..32]);
    let path = dir.join(&name);
    let failed = |source| EvidenceError { path: path.clone(), source };
    durable::create_directory(&dir).map_err(failed)?;
    let is_ours = |entry: &std::fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with("served-"));
    let count = std::fs::read_dir(&dir).map_err(failed)?.filter_map(Result::ok).filter(is_ours).count();
    if count >= MAX_FILES && !path.exists() {
        return Ok(Served::Wrong(None));
    }
    durable::write(&path, &bytes[..bytes.len().min(MAX_BYTES)]).map_err(failed)?;
    Ok(Served::Wrong(Some(name)))
}

/// The leaf hash that the log signed for this place.
async fn leaf(log: &VerifiedLog, index: LeafIndex) -> Option<Hash> {
    let mut plan = Plan::new(log.size());
    plan.inclusion(index).ok()?;
    log.tiles(plan).await.ok()?.leaf(index)
}
