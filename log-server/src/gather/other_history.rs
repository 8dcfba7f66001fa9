//! What is said, and kept, when a witness shows a head under the log's own signature that the store does not lead to.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serving::directory::sync_parent;
use tlog::TreeSize;
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::{Branch, Evidence, ProvenHash};
use tlog::key::VerifierKey;
use tlog::merkle::Subtree;
use tlog::policy::PolicyName;

/// A witness has seen another history of this log than its store has, and shows it under the log's own signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtherHistory {
    /// It has seen more.
    #[error(
        "the witness {witness} has cosigned a head of {seen} entries under this log's signature, and this store ends at {stored}. The store \
         is an older copy (a restored backup), or a copy of a log that went on elsewhere: adding to it would publish a second history. \
         Stop the other acta-log if there is one, and run only the newest copy of DIR/db; if that is lost, read \"After a loss\" in SECURITY.md"
    )]
    Ahead {
        /// What the policy calls it.
        witness: PolicyName,
        /// The size of the head that it shows.
        seen: TreeSize,
        /// The size of the store.
        stored: TreeSize,
    },
    /// It has seen something else.
    #[error(
        "the witness {witness} has cosigned a head of {size} entries under this log's signature, and this store has another root at that size: \
         two histories were signed with this log's key, most likely by two copies of the log that were both running. Nothing more may be \
         signed with it{}. Stop every acta-log with this key, and read \"After two histories\" in SECURITY.md",
        evidence.as_ref().map_or(String::new(), |path| format!(". The evidence is in {}", path.display()))
    )]
    Differs {
        /// What the policy calls it.
        witness: PolicyName,
        /// The size at which they differ.
        size: TreeSize,
        /// The head that the witness shows.
        seen: Box<Seen>,
        /// The file that convicts the log, if there is one.
        evidence: Option<PathBuf>,
    },
}

/// Two heads that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The one that the witness shows, with the log's signature alone.
    pub shown: SignedCheckpoint,
    /// What this log signed: the head of that size if it kept it, else the newest one with the proof of what its tree has in place of all
    /// those entries. The two convict. `None` only for a head of no entries, of which nothing can be proved.
    pub own: Option<Branch>,
}

impl OtherHistory {
    pub(super) fn ahead(witness: PolicyName, shown: &SignedCheckpoint, stored: TreeSize) -> Self {
        OtherHistory::Ahead { witness, seen: shown.checkpoint().size(), stored }
    }

    pub(super) fn differs(witness: PolicyName, seen: Seen) -> Self {
        OtherHistory::Differs { witness, size: seen.shown.checkpoint().size(), seen: Box::new(seen), evidence: None }
    }

    /// Writes a file of evidence into `dir`, if the two heads convict. The process ends over them in any case.
    pub(super) fn keep(&mut self, log_key: &VerifierKey, dir: Option<&Path>) {
        let (OtherHistory::Differs { seen, evidence, .. }, Some(dir)) = (self, dir) else { return };
        let Seen { shown, own: Some(own) } = &**seen else { return };
        let Some(file) = convict(own, shown, log_key) else { return };
        let bytes = file.to_bytes();
        // Named after what it convicts of: another start that finds the same writes the same file, and so does the witness.
        let path = dir.join(file.file_name());
        match write(&path, &bytes) {
            Ok(()) => *evidence = Some(path),
            Err(error) => tracing::error!(
                "the evidence cannot be written to {}: {error}. It is:\n{}",
                path.display(),
                String::from_utf8_lossy(&bytes)
            ),
        }
    }
}

fn convict(own: &Branch, shown: &SignedCheckpoint, log_key: &VerifierKey) -> Option<Evidence> {
    let (keys, size) = (std::slice::from_ref(log_key), shown.checkpoint().size());
    if own.head.checkpoint().size() == size {
        return Evidence::same_size(&own.head, shown, keys).ok();
    }
    let all = Subtree::new(0, size.as_u64()).ok()?;
    let proven = ProvenHash { hash: *shown.checkpoint().root(), proof: Vec::new() };
    Evidence::divergent(all, own.clone(), Branch { head: shown.clone(), proven }, keys).ok()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_parent(path)
}
