//! Keeping the index up with the store.
//!
//! Invariant: what a commit holds is exactly the entries that its [`Progress`] counts, each once, with the status that follows from at least
//! as many entries. What was indexed after the last commit is lost with the process, and is indexed again.

use std::path::Path;
use std::time::{Duration, Instant};

use decision::statement::Statement;
use decision::types::{Body, Relates};
use tantivy::{IndexWriter, Term};
use tlog::LeafIndex;

use super::document::Maker;
use super::progress::Progress;
use super::{Fields, Place, Reader, SearchError, open};
use crate::logs::{self, LogState};
use crate::published::Lookup;
use crate::search::Settings;
use crate::store::Store;

/// Entries after which is committed while there is more to index. A commit costs as much as indexing some thousand entries.
const COMMIT_ENTRIES: u64 = 250_000;

/// Time after which is committed while there is more to index.
const COMMIT_TIME: Duration = Duration::from_secs(20);

/// Entries that are read at a time: one bundle.
const CHUNK: u64 = 256;

/// Writes the index: one at a time, which the directory's lock sees to.
pub(crate) struct Writer {
    fields: Fields,
    writer: IndexWriter,
    reader: Reader,
    progress: Progress,
    uncommitted: u64,
    committed: Instant,
}

impl Writer {
    /// Opens the index in `dir`, or makes it anew if it does not fit the store.
    pub(crate) fn open(dir: &Path, settings: Settings, store: &Store) -> Result<Self, SearchError> {
        let (_, fields) = Fields::schema();
        let mut index = open(dir)?;
        let mut progress = Progress::read(index.load_metas()?.payload.as_deref()).filter(|progress| {
            // A store that cannot be read is found out by whoever indexes next.
            logs::all(store).is_ok_and(|logs| progress.fits(&logs))
        });
        if progress.is_none() {
            tracing::info!("the search index does not belong to this store and is made anew");
            drop(index);
            std::fs::remove_file(dir.join("meta.json")).map_err(|error| SearchError::Directory { path: dir.to_owned(), error })?;
            index = open(dir)?;
            progress = Some(Progress::default());
        }
        let writer = index.writer_with_num_threads(1, settings.memory)?;
        let reader = Reader::new(&index, fields)?;
        Ok(Writer { fields, writer, reader, progress: progress.unwrap_or_default(), uncommitted: 0, committed: Instant::now() })
    }

    /// What searches are put to.
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// How far each log was indexed with the last commit.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Indexes what is stored and not indexed yet, and commits. Gives how many entries that were. Ends early, without harm, when `stop` says
    /// so; `committed` is told of each commit.
    pub(crate) fn catch_up(
        &mut self,
        store: &Store,
        stop: impl Fn() -> bool,
        mut committed: impl FnMut(&Self),
    ) -> Result<u64, SearchError> {
        let mut total = 0;
        for log in logs::all(store)? {
            let from = self.progress.of(log.number);
            let mut at = from;
            while at < log.size.as_u64() {
                if stop() {
                    return Ok(total);
                }
                let to = log.size.as_u64().min((at / CHUNK + 1) * CHUNK);
                self.add(store, &log, from, at..to)?;
                self.uncommitted += to - at;
                total += to - at;
                at = to;
                self.progress.set(&log, at);
                if self.uncommitted >= COMMIT_ENTRIES || self.committed.elapsed() >= COMMIT_TIME {
                    self.commit()?;
                    committed(self);
                }
            }
        }
        if self.uncommitted > 0 {
            self.commit()?;
            committed(self);
        }
        Ok(total)
    }

    /// Adds the entries of `range`. `from` is where this round began in this log.
    fn add(&mut self, store: &Store, log: &LogState, from: u64, range: std::ops::Range<u64>) -> Result<(), SearchError> {
        let mut statements = Vec::new();
        logs::entries(store, log.number, range, |index, entry| {
            // What is no statement has nothing to search for; its finding says what it is.
            statements.extend(Statement::parse(entry).ok().map(|statement| (index, statement)));
            true
        })?;
        let mut maker = Maker { fields: &self.fields, store, log, published: Lookup::new(store, log.number) };
        for (index, statement) in statements {
            if let Some(document) = maker.document(index, &statement)? {
                self.writer.add_document(document)?;
            }
            // The ledger was as far as this round goes when the round's other entries were added; those before it may stand otherwise now.
            for earlier in succeeded(&statement).filter(|earlier| *earlier < from) {
                self.renew(store, &mut maker, LeafIndex::new(earlier))?;
            }
        }
        Ok(())
    }

    /// Puts a new document in the place of that of an entry.
    fn renew(&self, store: &Store, maker: &mut Maker<'_>, index: LeafIndex) -> Result<(), SearchError> {
        let Some(place) = (Place { log: maker.log.number, index }).pack() else { return Ok(()) };
        let Some(entry) = logs::entry(store, maker.log.number, index)? else { return Ok(()) };
        let Ok(statement) = Statement::parse(&entry) else { return Ok(()) };
        let Some(document) = maker.document(index, &statement)? else { return Ok(()) };
        self.writer.delete_term(Term::from_field_u64(self.fields.place, place));
        self.writer.add_document(document)?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SearchError> {
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&self.progress.payload());
        prepared.commit()?;
        self.reader.reload()?;
        (self.uncommitted, self.committed) = (0, Instant::now());
        Ok(())
    }
}

/// The entries whose place a statement takes.
fn succeeded(statement: &Statement) -> impl Iterator<Item = u64> {
    let relates: &[Relates] = match statement.body() {
        Body::Decision(decision) => &decision.relates,
        _ => &[],
    };
    relates.iter().filter(|relates| relates.rel.is_succession()).map(|relates| relates.index)
}
