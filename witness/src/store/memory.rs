//! A store in memory, for tests: it keeps the promises of [`Store`] until a test tells it to break one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{OriginHash, Row, Store, StoreError};

/// What goes wrong with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written and the commit fails, as with a full disk.
    Fail,
    /// All is written and the commit reports failure all the same.
    FailAfterWriting,
    /// The commit waits until [`MemoryStore::release`].
    Block,
}

/// Rows in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<OriginHash, Row>>,
    commits: AtomicU64,
    faults: Mutex<Faults>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Faults {
    planned: VecDeque<Fault>,
    /// Commits that have begun.
    begun: u64,
    released: bool,
}

impl MemoryStore {
    /// What a restart finds: the rows that were written, and no faults.
    pub fn reopen(&self) -> Self {
        let commits = AtomicU64::new(self.commits.load(Ordering::Relaxed));
        MemoryStore { rows: Mutex::new(self.rows().clone()), commits, ..MemoryStore::default() }
    }

    /// Lets the next commit run into `fault`; faults queue up.
    pub fn plan(&self, fault: Fault) {
        self.faults().planned.push_back(fault);
    }

    /// Lets commits that wait, and all later ones, go on.
    pub fn release(&self) {
        self.faults().released = true;
        self.changed.notify_all();
    }

    /// Waits until so many commits have begun in all.
    pub fn wait_for_commits(&self, begun: u64) {
        let mut faults = self.faults();
        while faults.begun < begun {
            faults = self.changed.wait(faults).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts a row there, as damage or another process would.
    pub fn overwrite(&self, log: OriginHash, row: Row) {
        self.rows().insert(log, row);
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<OriginHash, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the commit, and gives the planned fault that is due at it, if one is.
    fn due(&self) -> Option<Fault> {
        let mut faults = self.faults();
        faults.begun += 1;
        self.changed.notify_all();
        let fault = faults.planned.pop_front()?;
        while fault == Fault::Block && !faults.released {
            faults = self.changed.wait(faults).unwrap_or_else(PoisonError::into_inner);
        }
        Some(fault)
    }
}

impl Store for MemoryStore {
    fn row(&self, log: &OriginHash) -> Result<Option<Row>, StoreError> {
        Ok(self.rows().get(log).cloned())
    }

    fn commit(&self, rows: &[(OriginHash, Row)]) -> Result<(), StoreError> {
        let fault = self.due();
        if fault == Some(Fault::Fail) {
            return Err(StoreError::Injected);
        }
        self.rows().extend(rows.iter().cloned());
        self.commits.fetch_add(u64::from(!rows.is_empty()), Ordering::Relaxed);
        if fault == Some(Fault::FailAfterWriting) { Err(StoreError::Injected) } else { Ok(()) }
    }

    fn commits(&self) -> Result<u64, StoreError> {
        Ok(self.commits.load(Ordering::Relaxed))
    }

    fn scan(&self, visit: &mut dyn FnMut(OriginHash, Row)) -> Result<(), StoreError> {
        let rows = self.rows().clone();
        rows.into_iter().for_each(|(log, row)| visit(log, row));
        Ok(())
    }
}
