//! Taking entries in: what is verified becomes what is known, in one batch.
//!
//! Invariant: a batch holds everything that follows from its entries (the entries, the ledger's rows, the rows of the checks, findings and
//! their events, the tree) and the cursor that says that they were read. So whatever moment a monitor is killed at, nothing is skipped and
//! nothing is found twice.
//!
//! All of it is put together outside of the lock under which batches are written, since nobody else writes the rows of this log; under the lock
//! are only the findings.

use std::sync::Arc;

use acta_client::verified::VerifiedBundle;
use decision::ledger::Rules;
use decision::statement::Statement;
use jiff::Timestamp;
use tlog::checkpoint::SignedCheckpoint;
use tlog::{Hash, LeafIndex, TreeSize};

use super::tree::{Tree, TreeError};
use crate::check::{Check, Judged, Outcome, Published, Rows};
use crate::clock::Clock;
use crate::finding::{Code, Raised};
use crate::findings;
use crate::heads::{self, Standing};
use crate::history::keep_node;
use crate::judge::{Admission, Ahead, Judge, Opinion, Ready};
use crate::logs::{LogState, bundle_key};
use crate::store::{Family, Store, StoreError, Txn};

/// Of how many entries that a log should have refused there are findings. Further ones are counted: a log that takes in anything would
/// otherwise fill the disk with what is said about it.
const MAX_REFUSALS: u64 = 10_000;

/// How many findings of one kind are kept of one entry. One that names a thousand bidders or documents is small, and what is said of each is not.
const MAX_OF_ONE: usize = 64;

/// Takes in the entries of one log.
pub(crate) struct Intake {
    pub(crate) store: Arc<Store>,
    pub(crate) log: LogState,
    judge: Judge,
    checks: Arc<[Box<dyn Check>]>,
    clock: Clock,
}

/// Some bundles of entries, and what is known of them.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// In their order, the first with the entry at the cursor in it.
    pub(crate) bundles: Vec<VerifiedBundle>,
    /// The head under which they were verified.
    pub(crate) head: SignedCheckpoint,
    /// When they were published: each the index after the last entry.
    pub(crate) published: Vec<(u64, Published)>,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// How many entries.
    pub(crate) entries: u64,
    /// How many findings were opened.
    pub(crate) opened: usize,
}

/// A chunk was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    /// It does not continue what is there. Nothing was written.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// All of the entries together do not have the root that the log signed. Nothing was written.
    #[error("the entries hash up to {computed}, and the log signed {signed} for these {size} entries")]
    WrongRoot {
        /// How many entries.
        size: TreeSize,
        /// What they hash up to.
        computed: Hash,
        /// What the log signed.
        signed: Hash,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Entries in their order, and what is known of them.
pub(crate) struct Rejudged<'a> {
    /// The index of the first.
    pub(crate) first: u64,
    pub(crate) entries: Vec<&'a [u8]>,
    /// Their leaf hashes.
    pub(crate) leaves: &'a [Hash],
    /// When they were published: each the index after the last entry.
    pub(crate) published: &'a [(u64, Published)],
}

impl Intake {
    pub(crate) fn new(
        store: Arc<Store>,
        log: LogState,
        rules: Rules,
        checks: Arc<[Box<dyn Check>]>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let judge = Judge::new(&store, log.number, rules)?;
        Ok(Intake { store, log, judge, checks, clock })
    }

    /// Whether times of publication are of use: there are statements.
    pub(crate) fn wants_times(&mut self) -> bool {
        self.judge.admission(None) != Admission::NoCharter
    }

    /// For what is to be prepared while another chunk is taken in.
    pub(crate) fn ahead(&self) -> Option<Ahead> {
        self.judge.ahead(&self.store)
    }

    /// Takes a chunk in, of which the new entries may have been prepared. Costly, and no place on a thread that others wait for.
    pub(crate) fn take(&mut self, chunk: &Chunk, ready: Option<Ready>) -> Result<Taken, IntakeError> {
        let store = Arc::clone(&self.store);
        let mut txn = store.draft();
        let before = self.log.size.as_u64();
        let tree = self.grow(chunk, &mut txn)?;
        let entries = entries_from(&chunk.bundles, before);
        let admission = self.judge.admission(entries.first().copied());
        let (mut out, mut log) = (Outcome::default(), self.log.clone());
        if admission == Admission::NoCharter {
            self.note_not_understood(&mut log, before, entries.len(), &mut out);
        } else {
            let leaves = chunk.bundles.iter().flat_map(|bundle| bundle.leaves().iter().copied());
            let skipped = chunk.bundles.first().map_or(0, |bundle| before - bundle.first_index().as_u64());
            let leaves: Vec<Hash> = leaves.skip(usize::try_from(skipped).expect("less than 256")).collect();
            let all = Rejudged { first: before, entries, leaves: &leaves, published: &chunk.published };
            self.judge_all(&all, ready, &mut txn, &mut log, &mut out)?;
        }
        let now = self.clock.now();
        let read_until = chunk.published.last().map_or(now, |(_, published)| published.latest);
        self.tick_into(&mut txn, read_until, &mut out)?;
        let is_unfinished = out.is_unfinished();
        (log.size, log.peaks) = (tree.size(), tree.peaks());
        let taken = log.size.as_u64() - before;
        let reached = (log.size == chunk.head.checkpoint().size()).then(|| chunk.head.checkpoint());
        let opened = store.write_drafted(txn, |txn| {
            log.write(txn);
            if let Some(head) = reached {
                heads::settle(txn, log.number, head, Standing::Followed)?;
            }
            findings::record(txn, &log.origin, now, out)
        })?;
        self.log = log;
        let rest = if is_unfinished { self.tick(read_until)? } else { 0 };
        Ok(Taken { entries: taken, opened: opened + rest })
    }

    /// Lets the checks look at the clock: in as many batches as they need to say what they have to say.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let store = Arc::clone(&self.store);
        let mut opened = 0;
        loop {
            let (mut txn, mut out) = (store.draft(), Outcome::default());
            self.tick_into(&mut txn, now, &mut out)?;
            let is_unfinished = out.is_unfinished();
            if !txn.is_empty() || !out.is_empty() {
                opened += store.write_drafted(txn, |txn| findings::record(txn, &self.log.origin, self.clock.now(), out))?;
            }
            if !is_unfinished {
                return Ok(opened);
            }
        }
    }

    /// Judges entries that are stored, as if they came now: the ledger's rows and those of checks are written, findings are given back.
    pub(crate) fn rejudge(&mut self, all: &Rejudged<'_>, log: &mut LogState) -> Result<Outcome, StoreError> {
        let store = Arc::clone(&self.store);
        let (mut txn, mut out) = (store.draft(), Outcome::default());
        if self.judge.admission(all.entries.first().copied()) == Admission::NoCharter {
            self.note_not_understood(log, all.first, all.entries.len(), &mut out);
        } else {
            self.judge_all(all, None, &mut txn, log, &mut out)?;
        }
        if let Some((_, published)) = all.published.last() {
            self.tick_into(&mut txn, published.latest, &mut out)?;
        }
        store.write_drafted(txn, |_| Ok::<_, StoreError>(()))?;
        match all.published.last() {
            Some((_, published)) if out.is_unfinished() => self.rejudge_on(published.latest, out),
            _ => Ok(out),
        }
    }

    /// The same for a look at the clock.
    pub(crate) fn rejudge_at(&mut self, now: Timestamp) -> Result<Outcome, StoreError> {
        self.rejudge_on(now, Outcome::default())
    }

    /// Adds what checks say at this time to what they have said.
    fn rejudge_on(&mut self, now: Timestamp, mut out: Outcome) -> Result<Outcome, StoreError> {
        let store = Arc::clone(&self.store);
        loop {
            out.begin_again();
            let mut txn = store.draft();
            self.tick_into(&mut txn, now, &mut out)?;
            store.write_drafted(txn, |_| Ok::<_, StoreError>(()))?;
            if !out.is_unfinished() {
                return Ok(out);
            }
        }
    }

    /// Writes the log's row as `change` leaves it, together with what is said of the log itself.
    pub(crate) fn note(
        &mut self,
        change: impl FnOnce(&mut LogState, &mut Txn<'_>) -> Result<(), StoreError>,
        out: Outcome,
    ) -> Result<usize, StoreError> {
        let mut log = self.log.clone();
        let now = self.clock.now();
        let opened = self.store.write(|txn| {
            change(&mut log, txn)?;
            if log != self.log {
                log.write(txn);
            }
            findings::record(txn, &log.origin, now, out)
        })?;
        self.log = log;
        Ok(opened)
    }

    /// The tree with the chunk's entries. Puts bundles and the hashes of whole bundles into the batch.
    fn grow(&self, chunk: &Chunk, txn: &mut Txn<'_>) -> Result<Tree, IntakeError> {
        let mut tree = Tree::new(self.log.size, &self.log.peaks).map_err(TreeError::from)?;
        for bundle in &chunk.bundles {
            tree.take(bundle, |node, hash| keep_node(txn, self.log.number, node, hash))?;
            txn.put(Family::Bundles, bundle_key(self.log.number, bundle.id().number()), bundle.bytes().to_vec());
        }
        let signed = chunk.head.checkpoint();
        let (size, computed) = (tree.size(), tree.root());
        if size == signed.size() && computed != *signed.root() {
            return Err(IntakeError::WrongRoot { size, computed, signed: *signed.root() });
        }
        Ok(tree)
    }

    fn note_not_understood(&self, log: &mut LogState, first: u64, count: usize, out: &mut Outcome) {
        if log.not_understood == 0 && count > 0 {
            let text =
                format!("The log has entries that are no statements, the first of them at place {first}. They are kept and counted.");
            out.raise(Raised::new(Code::NOT_UNDERSTOOD, "", "entries", text).at([first]));
        }
        log.not_understood += u64::try_from(count).unwrap_or(u64::MAX);
    }

    /// The ledger and the checks, entry by entry.
    fn judge_all(
        &self,
        all: &Rejudged<'_>,
        ready: Option<Ready>,
        txn: &mut Txn<'_>,
        log: &mut LogState,
        out: &mut Outcome,
    ) -> Result<(), StoreError> {
        let mut draft = self.judge.draft(&self.store);
        let prefixes: Vec<_> = self.checks.iter().map(|check| Rows::prefix(log.number, check.name())).collect();
        let mut runs = all.published.iter();
        let mut run = runs.next();
        let mut place = 0;
        let mut one = |prepared| {
            let (here, index) = (place, all.first + u64::try_from(place).expect("a chunk is small"));
            place += 1;
            while run.is_some_and(|(end, _)| *end <= index) {
                run = runs.next();
            }
            let opinion = self.judge.decide(&mut draft, LeafIndex::new(index), prepared)?;
            self.refused(&opinion, index, log, out);
            let Some(statement) = opinion.prepared.statement() else { return Ok(()) };
            let judged = Judged {
                log: &log.origin,
                index: LeafIndex::new(index),
                leaf: all.leaves[here],
                bytes: all.entries[here],
                statement: Some(statement),
                refusal: opinion.refusal.as_ref(),
                related: &opinion.related,
                published: run.map_or_else(|| Published { earliest: None, latest: self.clock.now() }, |(_, published)| *published),
            };
            self.check(&judged, &prefixes, txn, out)
        };
        match ready {
            Some(ready) => ready.into_iter().try_for_each(one)?,
            None => self.judge.prepare(&self.store, &all.entries, &mut one)?,
        }
        self.judge.write(txn, draft.into_rows());
        Ok(())
    }

    /// What the checks say of an entry. `prefixes` are what their rows begin with.
    fn check(&self, entry: &Judged<'_>, prefixes: &[Vec<u8>], txn: &mut Txn<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        out.begin_entry();
        let mut checks = self.checks.iter().zip(prefixes);
        checks.try_for_each(|(check, prefix)| check.entry(&mut Rows::with_prefix(txn, prefix), entry, out))?;
        let gone = out.truncate(MAX_OF_ONE);
        if gone > 0 {
            let index = entry.index;
            let text = format!("Of entry {index} more of one kind was found than is kept: {gone} findings are left out.");
            let group = entry.statement.and_then(Statement::issuer).map(ToString::to_string).unwrap_or_default();
            out.raise(Raised::new(Code::TOO_MANY, group, format!("entry {index}"), text).at([index.as_u64()]));
        }
        Ok(())
    }

    fn refused(&self, opinion: &Opinion, index: u64, log: &mut LogState, out: &mut Outcome) {
        if opinion.refusal.is_none() {
            return;
        }
        let Some(raised) = self.judge.finding(opinion) else {
            return self.note_not_understood(log, index, 1, out);
        };
        log.refused += 1;
        if log.refused <= MAX_REFUSALS {
            out.raise(raised);
        } else if log.refused == MAX_REFUSALS + 1 {
            let text = format!(
                "The log took in more than {MAX_REFUSALS} entries that it should have refused. Those from entry {index} on are only counted."
            );
            out.raise(Raised::new(Code::ledger("many-more"), "", "entries", text).at([index]));
        }
    }

    fn tick_into(&self, txn: &mut Txn<'_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        self.checks.iter().try_for_each(|check| check.tick(&mut Rows::new(txn, self.log.number, check.name()), now, out))
    }
}

/// The entries from the one at `first` on.
pub(super) fn entries_from(bundles: &[VerifiedBundle], first: u64) -> Vec<&[u8]> {
    let all = bundles.iter().flat_map(VerifiedBundle::iter);
    all.skip_while(|(index, _)| index.as_u64() < first).map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use acta_client::location::Location;
    use acta_client::source::{Options, Source};
    use acta_client::verified::VerifiedLog;
    use futures_util::TryStreamExt;

    use super::*;
    use crate::heads::fixture::{ORIGIN, Tree, keys, policy};
    use crate::store::StoreOptions;

    /// Says ten things, three for each batch.
    struct Talkative;

    impl Check for Talkative {
        fn name(&self) -> &'static str {
            "talkative"
        }

        fn entry(&self, _: &mut Rows<'_, '_>, _: &crate::check::Judged<'_>, _: &mut Outcome) -> Result<(), StoreError> {
            Ok(())
        }

        fn tick(&self, rows: &mut Rows<'_, '_>, _: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
            let said = rows.get(b"said")?.map_or(0, |row| row[0]);
            let next = (said + 3).min(10);
            (said..next).for_each(|one| out.raise(Raised::new(Code::GAP, "", one.to_string(), "It is.")));
            rows.put(b"said", vec![next]);
            if next < 10 {
                out.come_again();
            }
            Ok(())
        }
    }

    #[test]
    fn what_is_too_much_for_one_batch_is_said_in_the_next_ones_and_all_at_one_look() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::create(dir.path(), StoreOptions::default()).unwrap());
        let make = |number| {
            let log = crate::logs::register(&store, &format!("{number}.example")).unwrap();
            let checks: Vec<Box<dyn Check>> = vec![Box::new(Talkative)];
            Intake::new(Arc::clone(&store), log, Rules::new(ORIGIN, keys()), checks.into(), Clock::system()).unwrap()
        };
        let written = store.watch();
        let mut intake = make(0);
        let before = *written.borrow();
        assert_eq!(intake.tick(Timestamp::UNIX_EPOCH).unwrap(), 10);
        assert_eq!(*written.borrow() - before, 4);
        assert_eq!(make(1).rejudge_at(Timestamp::UNIX_EPOCH).unwrap().raised().len(), 10);
    }

    /// A process that is killed between two batches is met by chance, and the moment is short. So this counts them.
    #[tokio::test]
    async fn entries_what_follows_from_them_and_the_cursor_are_one_batch() {
        let (dir, served) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tree = Tree::new("one", 0, 300);
        tree.serve(served.path(), 300, &tree.head(300));
        let location = Location::Directory(served.path().to_owned());
        let source = Source::new(&location, &Options::default()).unwrap();
        let verified = VerifiedLog::at(source, policy().verify(&tree.head(300)).unwrap());
        let bundles: Vec<VerifiedBundle> = verified.entries(0..300).try_collect().await.unwrap();

        let store = Arc::new(Store::create(dir.path(), StoreOptions::default()).unwrap());
        let log = crate::logs::register(&store, ORIGIN).unwrap();
        let mut intake = Intake::new(Arc::clone(&store), log, Rules::new(ORIGIN, keys()), Vec::new().into(), Clock::system()).unwrap();
        let written = store.watch();
        let before = *written.borrow();
        let taken = intake.take(&Chunk { bundles, head: tree.head(300), published: Vec::new() }, None).unwrap();
        assert_eq!(taken, Taken { entries: 300, opened: 1 }, "one finding: that these are no statements");
        assert_eq!(*written.borrow() - before, 1);
        let stored = crate::logs::by_origin(&store, ORIGIN).unwrap().unwrap();
        assert_eq!((stored.size.as_u64(), findings::last_event(&store).unwrap()), (300, 1));
    }
}
