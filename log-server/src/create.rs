//! Creating a log: `acta-log init`.
//!
//! Where registrars are named, the log begins with its charter: entry 0, signed by the log's own key, says who decides about issuers. So
//! nobody has to believe anybody about that later.
//!
//! The anchor is written last. A directory where creation was cut short therefore has none, and is refused by everything else.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use decision::ledger::{FindingReason, Fold, Rules};
use decision::statement::{Draft, Malformed, SignStatementError};
use decision::types::{Registrars, Timestamp, Vkey};
use serving::directory::sync_parent;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{KeyName, SigningKey, VerifierKey};
use tlog::merkle::Appender;
use tlog::policy::Policy;
use tlog::{Hash, LeafIndex};

use crate::anchor::Anchor;
use crate::data_dir::{DataDir, LockError};
use crate::head::Head;
use crate::sequencer::TileRows;
use crate::store::{Admits, Commit, Identity, LedgerRows, LogId, RocksOptions, RocksStore, Store, StoreError};

/// A log could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is something already.
    #[error(
        "{0} exists already: choose an empty directory. A log is created once and never over another. If an earlier `acta-log init` was cut \
         short and nothing was ever served, remove the directory and try again"
    )]
    Exists(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file or directory cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
    /// The key cannot be written.
    #[error(transparent)]
    Key(#[from] keyfile::CreateError),
    /// The first head cannot be signed.
    #[error("the key cannot sign checkpoints: an Ed25519 key is needed")]
    Sign,
    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody could ever register an issuer.
    #[error(
        "a log that admits statements needs somebody who registers issuers: name the verifier keys of its registrars with `--registrar \
         VKEY_FILE…`, or create a log that takes any bytes with `--admission open`"
    )]
    NoRegistrars,
    /// The charter breaks its own rules.
    #[error("the charter cannot be written: {0}")]
    Charter(FindingReason),
}

/// These cannot be a log's registrars.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrarsError {
    /// A key that signs something else.
    #[error("the key of {0} is not one that signs statements: a registrar's key is an Ed25519 note key, made with `acta keygen`")]
    OtherKind(KeyName),
    /// One registrar twice, which would let one of them count for two.
    #[error("the registrars {0} and {1} have the same key: each registrar needs one of their own")]
    Twice(KeyName, KeyName),
    /// Too many.
    #[error("a log has at most {MAX_REGISTRARS} registrars, and {0} were named")]
    TooMany(usize),
    /// It is not said how many have to agree.
    #[error("with {0} registrars it must be said how many of them have to agree: add `--threshold K`, such as {more_than_half}", more_than_half = .0 / 2 + 1)]
    NoThreshold(usize),
    /// A threshold that means nothing.
    #[error("a threshold of {threshold} cannot be: of the {registrars} registrars at least 1 and at most all have to agree")]
    Threshold {
        /// What was asked for.
        threshold: u16,
        /// How many there are.
        registrars: usize,
    },
}

/// As many as a charter can name.
const MAX_REGISTRARS: usize = 32;

/// The registrars with these keys. The threshold can be left out where there is only one.
pub fn registrars(keys: &[VerifierKey], threshold: Option<u16>) -> Result<Registrars, RegistrarsError> {
    if keys.len() > MAX_REGISTRARS {
        return Err(RegistrarsError::TooMany(keys.len()));
    }
    for (position, key) in keys.iter().enumerate() {
        if let Some(same) = keys[..position].iter().find(|other| other.same_public_key(key)) {
            return Err(RegistrarsError::Twice(same.name().clone(), key.name().clone()));
        }
    }
    let vkey = |key: &VerifierKey| key.to_string().parse::<Vkey>().map_err(|_| RegistrarsError::OtherKind(key.name().clone()));
    let registrars = keys.iter().map(vkey).collect::<Result<Vec<_>, _>>()?;
    let threshold = match threshold {
        Some(threshold) => threshold,
        None if registrars.len() == 1 => 1,
        None => return Err(RegistrarsError::NoThreshold(registrars.len())),
    };
    if threshold == 0 || usize::from(threshold) > registrars.len() {
        return Err(RegistrarsError::Threshold { threshold, registrars: registrars.len() });
    }
    Ok(Registrars { registrars, threshold })
}

/// What is decided once, when a log is created.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Which entries it takes in.
    pub admits: Admits,
    /// Who registers issuers.
    pub registrars: Option<Registrars>,
    /// When it is created.
    pub issued: Timestamp,
}

/// Creates a log in `dir` with `key`, whose name is the log's origin, and `log_id` drawn at random. Gives its verifier key. It is empty, or
/// has its charter.
pub fn create(
    dir: &DataDir,
    origin: &Origin,
    key: &SigningKey,
    log_id: LogId,
    founding: &Founding,
    options: RocksOptions,
) -> Result<VerifierKey, CreateError> {
    if founding.admits == Admits::Statements && founding.registrars.is_none() {
        return Err(CreateError::NoRegistrars);
    }
    let charter = founding.registrars.as_ref().map(|by| charter(origin, key, founding, by)).transpose()?;
    // Looked at before the lock, which would make a file in a directory that is not ours.
    for path in [dir.db(), dir.anchor(), dir.key(), dir.verifier_key(), dir.policy()] {
        if path.exists() {
            return Err(CreateError::Exists(path));
        }
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.root()).map_err(|error| CreateError::Write(dir.root().into(), error))?;
    let _lock = dir.lock()?;
    let mut head = sign(origin, key, &Appender::new())?;
    keyfile::create_at(&dir.key(), &dir.verifier_key(), key)?;

    let verifier_key = key.verifier_key().clone();
    let policy = Policy::without_witnesses(verifier_key.clone(), None).map_err(|_| CreateError::Sign)?;
    write_synced(&dir.policy(), &policy.to_string()).map_err(|error| CreateError::Write(dir.policy(), error))?;

    let identity = Identity { origin: origin.to_string(), verifier_key: verifier_key.to_string(), log_id, admits: founding.admits };
    let store = RocksStore::create(&dir.db(), options, &identity, &head.tree_state())?;
    if let Some(charter) = charter {
        head = commit(&store, origin, key, founding.admits, charter)?;
    }
    store.settle()?;
    drop(store);
    Anchor::create(&dir.anchor(), head.anchored(log_id))
        .and_then(|_| sync_parent(dir.root()))
        .map_err(|error| CreateError::Write(dir.anchor(), error))?;
    Ok(verifier_key)
}

/// Entry 0, and the rows of the ledger that follow from it.
struct FirstEntry {
    bytes: Bytes,
    rows: LedgerRows,
}

fn charter(origin: &Origin, key: &SigningKey, founding: &Founding, by: &Registrars) -> Result<FirstEntry, CreateError> {
    let malformed = |reason: Malformed| CreateError::Charter(reason.into());
    let statement = serde_json::json!({
        "type": "charter", "log": origin.as_str(), "issued": founding.issued, "version": 1,
        "registrars": by.registrars, "threshold": by.threshold, "admission": founding.admits.name(),
    });
    let statement = Draft::from_json(&statement).map_err(malformed)?.sign(&[key]).map_err(|error| match error {
        SignStatementError::Malformed(reason) => malformed(reason),
        _ => CreateError::Sign,
    })?;
    let bytes = Bytes::from(statement.to_bytes());
    // By the same rules as everybody who will ever read it.
    let log_keys = vec![key.verifier_key().clone()];
    let mut fold = Fold::new(Rules::new(origin.as_str(), log_keys));
    match fold.push(&bytes) {
        Ok(None) => {}
        Ok(Some(finding)) => return Err(CreateError::Charter(finding.reason)),
        Err(_) => unreachable!("an empty ledger has no damaged rows"),
    }
    let rows = fold.ledger().rows().map(|(key, row)| (key.to_vec(), row.to_vec())).collect();
    Ok(FirstEntry { bytes, rows })
}

/// Writes the log's first entry; gives the head that covers it.
fn commit(store: &RocksStore, origin: &Origin, key: &SigningKey, admits: Admits, first: FirstEntry) -> Result<Head, CreateError> {
    let (mut edge, mut tiles) = (Appender::new(), TileRows::default());
    let leaf = Hash::leaf(&first.bytes);
    edge.append(leaf, |node, hash| tiles.add(node, hash)).expect("an empty tree has room");
    let head = sign(origin, key, &edge)?;
    let staged = store.stage(LeafIndex::new(0), &[first.bytes]);
    let ledger = (admits == Admits::Statements).then_some(first.rows);
    store.commit(staged, &Commit { leaves: vec![leaf], tiles: tiles.rows, tree: head.tree_state(), publish: true, ledger })?;
    Ok(head)
}

fn sign(origin: &Origin, key: &SigningKey, edge: &Appender) -> Result<Head, CreateError> {
    let checkpoint = Checkpoint::new(origin.clone(), edge.size(), edge.root());
    Ok(Head::new(SignedCheckpoint::sign(&checkpoint, &[key]).map_err(|_| CreateError::Sign)?))
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
