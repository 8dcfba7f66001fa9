//! What the ledger of a log says of its entries: the fold of `decision`, with its rows in the monitor's store.
//!
//! Invariant: the ledger's rows of a log are written by its follower alone, in the batch that moves the cursor over the entries that they
//! follow from. So they may be read outside of the lock of batches, and the rows that were read last can be kept in memory.
//!
//! How it is fast: nearly all of the work is the verification of signatures, which does not depend on order; it is done for a chunk of entries on
//! all processors. What remains is a few reads for each entry, and those are mostly of the same rows: the issuers' and their series'.
//!
//! Logs that did not begin with a charter take in anything, and nobody is entitled to anything in them: their entries are counted and kept.
//! In logs whose charter says that any bytes are taken in, what is no statement is counted, and what is one has to follow the rules.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use acta_client::fold::prepare_in_order;
use decision::ledger::{Finding, FindingReason, LedgerError, LedgerRead, Overlay, Prepared, Rules};
use decision::statement::Statement;
use decision::types::{AdmissionMode, Body};
use tlog::LeafIndex;

use crate::check::Related;
use crate::finding::{Code, Raised};
use crate::ledger::{StoredLedger, ledger_key};
use crate::store::{Damage, Family, Store, StoreError, Txn};

/// How many rows of the ledger are kept in memory, twice.
const HOT_ROWS: usize = 8192;

/// Larger rows are not kept in memory.
const HOT_ROW: usize = 4096;

/// Judges the entries of one log.
#[derive(Debug)]
pub(crate) struct Judge {
    log: u32,
    rules: Rules,
    admission: Admission,
    hot: Arc<Hot>,
}

/// What a log takes in, by its first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is no first entry yet.
    Unknown,
    /// Anything: it has no charter.
    NoCharter,
    /// What its charter says.
    Charter(AdmissionMode),
}

/// What is to be said of an entry.
#[derive(Debug)]
pub(crate) struct Opinion {
    /// What it says, if it is a statement.
    pub(crate) prepared: Prepared,
    /// Why the log should have refused it.
    pub(crate) refusal: Option<Finding>,
    /// What it relates to.
    pub(crate) related: Vec<Related>,
}

/// Entries of which all has been checked that depends on each alone, in their order.
pub(crate) type Ready = Vec<Result<Prepared, LedgerError<StoreError>>>;

/// Does the costly part for entries whose turn is not yet, while the judge decides about those before them.
///
/// The ledger that it reads may be older by these, which changes no verdict ([`Rules::prepare`]). It leaves nothing in memory: a row that it read before a
/// batch was written, and kept after that, would be an old one.
#[derive(Debug)]
pub(crate) struct Ahead {
    store: Arc<Store>,
    log: u32,
    rules: Rules,
    hot: Arc<Hot>,
}

/// The ledger of a log as of its cursor, with rows of it in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HotLedger<'a> {
    stored: StoredLedger<'a>,
    hot: &'a Hot,
    /// Whether what is read stays in memory.
    keeps: bool,
}

/// The ledger with the rows of some entries that are not stored yet.
pub(crate) type Draft<'a> = Overlay<HotLedger<'a>>;

impl Judge {
    /// The judge of a log of which so much is stored as there is. `rules` are the log's.
    pub(crate) fn new(store: &Store, log: u32, rules: Rules) -> Result<Self, StoreError> {
        let admission = match crate::logs::entry(store, log, LeafIndex::new(0))? {
            Some(entry) => Admission::of(&entry, rules.log()),
            None => Admission::Unknown,
        };
        Ok(Judge { log, rules, admission, hot: Arc::default() })
    }

    /// What the log takes in. `first` is its first entry, for when that is not known yet.
    pub(crate) fn admission(&mut self, first: Option<&[u8]>) -> Admission {
        if let (Admission::Unknown, Some(entry)) = (self.admission, first) {
            self.admission = Admission::of(entry, self.rules.log());
        }
        self.admission
    }

    /// The ledger as it is stored, with nothing on top.
    pub(crate) fn draft<'a>(&'a self, store: &'a Store) -> Draft<'a> {
        Overlay::new(self.ledger(store))
    }

    /// For what is to be prepared ahead of its turn; `None` where it may be that nothing has to be.
    pub(crate) fn ahead(&self, store: &Arc<Store>) -> Option<Ahead> {
        let ahead = || Ahead { store: Arc::clone(store), log: self.log, rules: self.rules.clone(), hot: Arc::clone(&self.hot) };
        matches!(self.admission, Admission::Charter(_)).then(ahead)
    }

    /// Does the costly part for these entries on all processors, and gives them to `take` in their order meanwhile.
    pub(crate) fn prepare(
        &self,
        store: &Store,
        entries: &[&[u8]],
        take: impl FnMut(Result<Prepared, LedgerError<StoreError>>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        prepare_in_order(&self.rules, &self.ledger(store), entries, take)
    }

    /// Judges the next entry, and puts what it changes on top of `draft`.
    pub(crate) fn decide(
        &self,
        draft: &mut Draft<'_>,
        index: LeafIndex,
        prepared: Result<Prepared, LedgerError<StoreError>>,
    ) -> Result<Opinion, StoreError> {
        let prepared = prepared.map_err(failed)?;
        let (refusal, related) = match self.rules.decide(draft, index, &prepared).map_err(failed)? {
            Ok(changes) => {
                let related = self.related(draft, prepared.statement())?;
                draft.apply(changes);
                (None, related)
            }
            Err(finding) => (Some(finding), Vec::new()),
        };
        Ok(Opinion { prepared, refusal, related })
    }

    /// Writes the rows of `draft` into a batch, and keeps them in memory: the batch must be written, or the process end.
    pub(crate) fn write(&self, txn: &mut Txn<'_>, rows: HashMap<Vec<u8>, Vec<u8>>) {
        for (key, row) in rows {
            self.hot.written(&key, &row);
            txn.put(Family::Ledger, ledger_key(self.log, &key), row);
        }
    }

    /// What the log should have refused, as a finding. `None` for what is no statement in a log that takes in any bytes.
    pub(crate) fn finding(&self, opinion: &Opinion) -> Option<Raised> {
        let finding = opinion.refusal.as_ref()?;
        let is_malformed = matches!(finding.reason, FindingReason::Malformed(_));
        if is_malformed && self.admission != Admission::Charter(AdmissionMode::Statements) {
            return None;
        }
        let issuer = opinion.prepared.statement().and_then(Statement::issuer).map(ToString::to_string).unwrap_or_default();
        let index = finding.index.as_u64();
        let text =
            format!("The log took in entry {index} and should have refused it: {}.", finding.reason.to_string().trim_end_matches('.'));
        let existing = match &finding.reason {
            FindingReason::Refused(refusal) => refusal.existing().map(LeafIndex::as_u64),
            _ => None,
        };
        Some(Raised::new(Code::ledger(finding.reason.name()), issuer, format!("entry {index}"), text).at([index]).at(existing))
    }

    fn ledger<'a>(&'a self, store: &'a Store) -> HotLedger<'a> {
        HotLedger { stored: StoredLedger::new(store, self.log), hot: &self.hot, keeps: true }
    }

    /// The decisions and annotations that a statement relates to. It was admitted, so they are there.
    fn related(&self, draft: &Draft<'_>, statement: Option<&Statement>) -> Result<Vec<Related>, StoreError> {
        let relates = match statement.map(Statement::body) {
            Some(Body::Decision(decision)) => &decision.relates,
            Some(Body::Annotation(annotation)) => &annotation.relates,
            _ => return Ok(Vec::new()),
        };
        let mut related = Vec::with_capacity(relates.len());
        for relation in relates {
            let index = LeafIndex::new(relation.index);
            let Some(status) = self.rules.status(draft, index).map_err(failed)? else { continue };
            if let (Some(issuer), Some(number)) = (status.issuer, status.numbered) {
                let number = decision::types::Number { series: number.series, seq: number.seq };
                related.push(Related { rel: relation.rel, index, issuer: issuer.id, number });
            }
        }
        Ok(related)
    }
}

impl Ahead {
    /// Prepares these entries, on all processors.
    pub(crate) fn prepare(&self, entries: &[&[u8]]) -> Ready {
        let ledger = HotLedger { stored: StoredLedger::new(&self.store, self.log), hot: &self.hot, keeps: false };
        let mut ready = Vec::with_capacity(entries.len());
        let Ok(()) = prepare_in_order(&self.rules, &ledger, entries, |prepared| {
            ready.push(prepared);
            Ok::<(), Infallible>(())
        });
        ready
    }
}

impl Admission {
    fn of(first: &[u8], origin: &str) -> Self {
        match Statement::parse(first) {
            Ok(statement) if statement.log() == origin => match statement.body() {
                Body::Charter(charter) => Admission::Charter(charter.admission),
                _ => Admission::NoCharter,
            },
            _ => Admission::NoCharter,
        }
    }
}

fn failed(error: LedgerError<StoreError>) -> StoreError {
    match error {
        LedgerError::Read(error) => error,
        _ => Damage::MalformedRow.into(),
    }
}

impl LedgerRead for HotLedger<'_> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(row) = self.hot.get(key) {
            return Ok(Some(row));
        }
        let row = self.stored.get(key)?;
        if let Some(row) = row.as_ref().filter(|_| self.keeps) {
            self.hot.keep(key, row);
        }
        Ok(row)
    }
}

/// The rows that were read or written last. When the younger half is full, the older one goes.
#[derive(Debug, Default)]
struct Hot(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Vec<u8>, Vec<u8>>,
    old: HashMap<Vec<u8>, Vec<u8>>,
}

impl Hot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut halves = self.lock();
        if let Some(row) = halves.young.get(key) {
            return Some(row.clone());
        }
        let row = halves.old.remove(key)?;
        halves.insert(key, &row);
        Some(row)
    }

    fn keep(&self, key: &[u8], row: &[u8]) {
        if row.len() <= HOT_ROW {
            self.lock().insert(key, row);
        }
    }

    /// A row has changed. One that is not there and is of an entry or a number is hardly read again.
    fn written(&self, key: &[u8], row: &[u8]) {
        let mut halves = self.lock();
        let known = halves.young.remove(key).or_else(|| halves.old.remove(key)).is_some();
        if (known || matches!(key, [b'c' | b'i' | b's', ..])) && row.len() <= HOT_ROW {
            halves.insert(key, row);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Halves> {
        // It is a copy of what is stored, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn insert(&mut self, key: &[u8], row: &[u8]) {
        if self.young.len() >= HOT_ROWS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.to_vec(), row.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_memory_are_the_newest_and_not_all_of_them() {
        let hot = Hot::default();
        hot.keep(b"ia", b"1");
        hot.written(b"ia", b"2");
        assert_eq!(hot.get(b"ia"), Some(b"2".to_vec()));
        hot.written(b"e1", b"x");
        assert_eq!(hot.get(b"e1"), None, "an entry's row is not read again");
        hot.keep(b"big", &[0; HOT_ROW + 1]);
        assert_eq!(hot.get(b"big"), None);
        for number in 0..3 * HOT_ROWS {
            hot.keep(format!("n{number}").as_bytes(), b"x");
            assert!(hot.get(b"ia").is_some(), "what is read stays");
        }
        let kept = hot.lock();
        assert!(kept.young.len() + kept.old.len() <= 2 * HOT_ROWS);
    }

    #[test]
    fn a_row_that_grew_too_large_is_not_read_from_memory_any_more() {
        let hot = Hot::default();
        hot.keep(b"sa", b"1");
        hot.written(b"sa", &[0; HOT_ROW + 1]);
        assert_eq!(hot.get(b"sa"), None);
    }
}
