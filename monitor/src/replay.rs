//! Judging anew what was read, by the rules and checks of today: after a rule was added, or a threshold changed.
//!
//! Ledger and rows of checks are removed and made again from the entries that are kept; nothing is fetched. What comes out is compared with the
//! findings that are open: what is found again stays as it was, with its time and its alert; what is new is opened, and what is not found any more
//! is resolved. Findings about the log itself, and about documents, do not follow from entries and stay.
//!
//! Invariant: what a replay that was cut short left behind is not taken for what follows from the entries. A row says that one has begun until
//! the batch that ends it; before that nobody follows the log, and the next replay begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use decision::ledger::Rules;
use tlog::tiles::{BundleId, Entries};
use tlog::{Hash, LeafIndex};

use crate::check::{Outcome, Published};
use crate::clock::Clock;
use crate::config::{Config, LogSettings};
use crate::finding::{Code, Raised};
use crate::findings;
use crate::follow::{Intake, Rejudged};
use crate::logs::{self, LogState};
use crate::published;
use crate::run::all_checks;
use crate::state_dir::{StateDir, StateError};
use crate::store::{Damage, Family, Store, StoreError};

/// How many bundles are judged at a time.
const BUNDLES_AT_ONCE: u64 = 16;

/// Rows of checks that say what cannot be found out again: when entries were published.
const KEPT_ROWS: &[u8] = b"published\0";

/// What a replay came to for one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The log's origin.
    pub log: String,
    /// How many entries were judged.
    pub entries: u64,
    /// How many findings were opened.
    pub opened: usize,
    /// How many were resolved.
    pub resolved: usize,
}

/// Entries could not be judged anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kept entries are not those that were read.
    #[error(
        "the entries that are kept of {0} are not those that were read: the store is damaged. Remove the directory db in the state directory: \
         everything in it is drawn anew from the logs, but for what is only kept here, such as heads seen elsewhere"
    )]
    OtherEntries(String),
}

/// Judges anew all entries of the configured logs, as far as they were read.
pub fn replay(config: &Config) -> Result<Vec<Replayed>, ReplayError> {
    let state = StateDir::new(&config.state).open(config.store)?;
    let mut all = Vec::new();
    for settings in &config.logs {
        if let Some(log) = logs::by_origin(&state.store, &settings.origin)? {
            all.push(one(&state.store, config, settings, log)?);
        }
    }
    Ok(all)
}

/// Whether a replay of the log with this number has begun and not ended.
pub(crate) fn is_unfinished(store: &Store, log: u32) -> Result<bool, StoreError> {
    Ok(store.get(Family::Meta, &marker(log))?.is_some())
}

fn one(store: &Arc<Store>, config: &Config, settings: &LogSettings, log: LogState) -> Result<Replayed, ReplayError> {
    begin(store, log.number)?;
    let (clock, checks) = (Clock::system(), all_checks(config).into());
    let mut intake =
        Intake::new(Arc::clone(store), log.clone(), Rules::new(&log.origin, settings.policy.log_keys()), checks, clock.clone())?;
    let (mut standing, mut counted) = (Standing::default(), LogState { not_understood: 0, refused: 0, ..log.clone() });
    let mut tree = tlog::merkle::Appender::new();
    let mut number = 0;
    while let Some(chunk) = Chunk::read(store, &log, number)? {
        for leaf in &chunk.leaves {
            tree.append(*leaf, |_, _| ()).map_err(|_| Damage::MalformedRow).map_err(StoreError::from)?;
        }
        let entries = chunk.bundles.iter().flat_map(|bundle| Entries::new(bundle).flatten()).collect();
        let rejudged = Rejudged { first: number * 256, entries, leaves: &chunk.leaves, published: &chunk.published };
        standing.take(intake.rejudge(&rejudged, &mut counted)?);
        number += BUNDLES_AT_ONCE;
    }
    if tree.size() != log.size || tree.peaks() != log.peaks {
        return Err(ReplayError::OtherEntries(log.origin));
    }
    standing.take(intake.rejudge_at(log.answered.unwrap_or_else(|| clock.now()))?);
    end(store, &clock, &counted, standing)
}

/// Some bundles of stored entries.
struct Chunk {
    bundles: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
    published: Vec<(u64, Published)>,
}

impl Chunk {
    /// From the bundle with this number on; `None` behind the last entry.
    fn read(store: &Store, log: &LogState, first: u64) -> Result<Option<Self>, StoreError> {
        let (mut bundles, mut leaves, mut published) = (Vec::new(), Vec::new(), Vec::<(u64, Published)>::new());
        for number in first..first + BUNDLES_AT_ONCE {
            let Some(id) = BundleId::for_size(number, log.size) else { break };
            let bundle = logs::bundle(store, log.number, number)?.ok_or(Damage::MalformedRow)?;
            for (index, entry) in (id.first_index().as_u64()..).zip(Entries::new(&bundle)) {
                leaves.push(Hash::leaf(entry.map_err(|_| Damage::MalformedRow)?));
                let at = published::at(store, log.number, LeafIndex::new(index))?;
                let at = at.unwrap_or(Published { earliest: None, latest: log.head_seen.unwrap_or_default() });
                match published.last_mut().filter(|(_, last)| *last == at) {
                    Some((end, _)) => *end = index + 1,
                    None => published.push((index + 1, at)),
                }
            }
            bundles.push(bundle);
        }
        Ok((!bundles.is_empty()).then_some(Chunk { bundles, leaves, published }))
    }
}

/// What was raised and is not cleared.
#[derive(Default)]
struct Standing(BTreeMap<(Code, String), Raised>);

impl Standing {
    fn take(&mut self, mut out: Outcome) {
        // In one outcome, what was cleared came before what is raised.
        for subject in out.cleared.drain(..) {
            self.0.remove(&subject);
        }
        for raised in out.raised.drain(..) {
            self.0.entry((raised.code.clone(), raised.subject.clone())).or_insert(raised);
        }
    }
}

/// Removes what follows from the entries, and says that it is not there.
fn begin(store: &Store, log: u32) -> Result<(), StoreError> {
    let (this, next) = (log.to_be_bytes().to_vec(), log.saturating_add(1).to_be_bytes().to_vec());
    let kept = [this.as_slice(), KEPT_ROWS].concat();
    let mut after_kept = kept.clone();
    *after_kept.last_mut().expect("it is not empty") += 1;
    store.write(|txn| {
        txn.put(Family::Meta, marker(log), Vec::new());
        txn.delete_range(Family::Ledger, this.clone(), next.clone());
        txn.delete_range(Family::Checks, this, kept);
        txn.delete_range(Family::Checks, after_kept, next);
        txn.sync();
        Ok(())
    })
}

/// Compares what came out with the findings that are open, and says that all is there again.
fn end(store: &Store, clock: &Clock, log: &LogState, standing: Standing) -> Result<Replayed, ReplayError> {
    let open = findings::open(store, &log.origin)?;
    let gone = open.iter().filter(|finding| follows_from_entries(&finding.code));
    let mut out = Outcome::default();
    for finding in gone.filter(|finding| !standing.0.contains_key(&(finding.code.clone(), finding.subject.clone()))) {
        out.clear(finding.code.clone(), &finding.subject);
    }
    let resolved = out.cleared.len();
    standing.0.into_values().for_each(|raised| out.raise(raised));
    let opened = store.write(|txn| {
        txn.delete(Family::Meta, marker(log.number));
        log.write(txn);
        txn.sync();
        findings::record(txn, &log.origin, clock.now(), out)
    })?;
    Ok(Replayed { log: log.origin.clone(), entries: log.size.as_u64(), opened, resolved })
}

fn follows_from_entries(code: &Code) -> bool {
    !code.to_string().starts_with("log.") && *code != Code::WRONG_DOCUMENT && *code != Code::DOCUMENT_UNAVAILABLE
}

fn marker(log: u32) -> Vec<u8> {
    format!("replay {log}").into_bytes()
}
