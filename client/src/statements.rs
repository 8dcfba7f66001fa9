//! Signing many decisions and publishing them, with a receipt for each, so that a rerun goes on where the last run stopped.
//!
//! Invariant: each line of an input gets one statement under one number, and that statement is in the [`journal`], synced, before it is
//! sent. A run that is cut off at any point is completed by running it again: what was signed is sent again byte for byte, and a log answers
//! the same statement with the same index. A receipt file is complete and verified or not there at all.
//!
//! Statements are signed in chunks, which cost one sync each, and sent several at a time. A line that relates to an earlier one waits until
//! that one has its receipt, which tells where it is.

mod exposed;
mod input;
pub mod journal;
pub mod mapping;
mod members;
mod sign;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use decision::types::{IssuerId, Number};
use tlog::LeafIndex;
use tlog::policy::Policy;
use tokio::task::JoinSet;

use crate::source::{FetchError, Problem};
use crate::submit::{SubmitError, Writer};
use crate::{durable, terminal};

pub use exposed::{Exposed, Sign};
pub use input::{InputError, Lines, lines};
pub use journal::{Journal, JournalError, Place, Signed};
pub use mapping::{MapError, Mapping};
pub use sign::{Agency, LineError};

use sign::Prepared;

/// How many statements are signed before they are noted and sent.
const CHUNK: usize = 256;

/// A run that publishes the decisions of one issuer.
#[derive(Debug)]
pub struct Run {
    agency: Agency,
    writer: Writer,
    receipts: PathBuf,
    concurrency: usize,
    keep_going: bool,
    journal: Journal,
    chunk: Vec<Prepared>,
    /// Lines of which an earlier run had signed the statement, and this one has sent it: they are counted once.
    sent_again: HashSet<Place>,
    summary: Summary,
}

/// What became of all lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Statements published now.
    pub published: u64,
    /// Lines that had been published before.
    pub already_published: u64,
    /// Lines that are the same as others, which are published: in a file of another name, or further up.
    pub repeated: u64,
    /// Statements that the log refused.
    pub refused: u64,
    /// Lines that cannot become statements.
    pub unfit: u64,
    /// Paths of the mapping by which nothing was sealed in any line that was new.
    pub idle_seals: Vec<String>,
}

/// What happened, for whoever shows it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A statement was published.
    Published {
        /// For which line.
        place: &'a Place,
        /// Under which number.
        number: &'a Number,
        /// Where in the log.
        index: LeafIndex,
    },
    /// It is published already.
    Known,
    /// The log refused a statement. Its number is free again.
    Refused {
        /// For which line.
        place: &'a Place,
        /// Under which number.
        number: &'a Number,
        /// Why.
        problem: &'a Problem,
    },
    /// A line cannot become a statement.
    Unfit {
        /// Which line.
        place: &'a Place,
        /// Why.
        reason: &'a LineError,
    },
    /// A line has what looks like a person in the clear. It is published all the same, and is not yet.
    Exposed {
        /// Which line.
        place: &'a Place,
        /// What of it.
        exposed: &'a Exposed,
    },
}

/// Why a run stopped. What was published until then is, and a rerun goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A line cannot become a statement.
    #[error("{place}: {reason}")]
    Line {
        /// Which.
        place: Place,
        /// Why.
        reason: Box<LineError>,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The log refused a statement.
    #[error("{place}: the log refused it as {number}: {problem}. Correct the line and run this again; the number is free again")]
    Refused {
        /// For which line.
        place: Place,
        /// Under which number.
        number: Number,
        /// Why.
        problem: Box<Problem>,
    },
    /// A statement could not be sent, or its receipt not be had.
    #[error("{place}: {source}")]
    Submit {
        /// For which line.
        place: Place,
        /// Why.
        source: Box<SubmitError>,
    },
    /// There is a receipt of a number that is free, by the journal.
    #[error(
        "{} is there, but the journal beside it (….statements.jsonl) does not know that number: bring back the journal that belongs to these \
         receipts, or use another directory and another series",
        terminal::path(.path)
    )]
    UnknownReceipt {
        /// The receipt.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("{} cannot be written: {source}", terminal::path(.path))]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", terminal::path(Path::new(&self.input)))?;
        self.line.map_or(Ok(()), |line| write!(f, " line {line}"))
    }
}

/// The file of a statement's receipt, without its extension: `ISSUER-SERIES-SEQ`, with the hyphens of a series as `_`.
///
/// Issuers may share a directory, and both an issuer and a series may have hyphens. Neither has a `_`, so no two statements have one name:
/// series `x-1` of `a` is `a-x_1-7`, and series `1` of `a-x` is `a-x-1-7`.
pub fn file_name(issuer: &IssuerId, number: &Number) -> String {
    format!("{issuer}-{}-{}", number.series.as_str().replace('-', "_"), number.seq)
}

impl Run {
    /// Prepares to publish to the one log of `policy` that `writer` writes to and that `agency` signs for, with receipts in `receipts`.
    pub fn new(
        agency: Agency,
        writer: Writer,
        policy: Arc<Policy>,
        receipts: &Path,
        concurrency: usize,
        keep_going: bool,
    ) -> Result<Self, RunError> {
        let issuer = agency.issuer().clone();
        let has_receipt = |number: &Number| receipts.join(file_name(&issuer, number) + ".tlog-proof").is_file();
        let journal = Journal::open(receipts, agency.log(), &issuer, has_receipt)?;
        let (writer, receipts, concurrency) = (writer.under(policy), receipts.to_owned(), concurrency.max(1));
        Ok(Run {
            agency,
            writer,
            receipts,
            concurrency,
            keep_going,
            journal,
            chunk: Vec::new(),
            sent_again: HashSet::new(),
            summary: Summary::default(),
        })
    }

    /// Publishes what is missing of `inputs`. `event` is told about each line as soon as its fate is decided.
    pub async fn run(mut self, inputs: &[PathBuf], mut event: impl FnMut(Event<'_>)) -> Result<Summary, RunError> {
        // First what an earlier run signed: it may be in the log already.
        let pending = self.journal.take_pending();
        self.sent_again = pending.iter().map(|signed| signed.place.clone()).collect();
        self.send(pending, &mut event).await?;
        for input in inputs {
            for line in lines(input)? {
                let (place, line) = line?;
                self.take(place, &line, &mut event).await?;
            }
        }
        self.flush(&mut event).await?;
        self.sync_receipts()?;
        self.summary.idle_seals = self.agency.idle_seals();
        Ok(self.summary)
    }

    /// Checks every line of `inputs` and sends nothing; `event` is told of each that cannot become a statement, and of what looks like a
    /// person in the others. What a line relates to may be in the same inputs, so it is not looked up.
    pub fn dry_run(&mut self, inputs: &[PathBuf], mut event: impl FnMut(Event<'_>)) -> Result<u64, RunError> {
        let mut good = 0;
        for input in inputs {
            for line in lines(input)? {
                let (place, line) = line?;
                match self.agency.prepare_dry(&mut self.journal, &place, &line) {
                    Ok(exposed) => {
                        good += 1;
                        exposed.iter().for_each(|exposed| event(Event::Exposed { place: &place, exposed }));
                    }
                    Err(reason) => event(Event::Unfit { place: &place, reason: &reason }),
                }
            }
        }
        Ok(good)
    }

    /// Those paths of the mapping by which a [`Run::dry_run`] would have sealed nothing.
    pub fn idle_seals(&self) -> Vec<String> {
        self.agency.idle_seals()
    }

    async fn take(&mut self, place: Place, line: &Bytes, event: &mut impl FnMut(Event<'_>)) -> Result<(), RunError> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut prepared = self.agency.prepare(&mut self.journal, &place, line, &self.receipts);
        if matches!(prepared, Err(LineError::NotYet(_))) {
            // What it relates to may be in the chunk.
            self.flush(event).await?;
            prepared = self.agency.prepare(&mut self.journal, &place, line, &self.receipts);
        }
        match prepared {
            Ok(Some(prepared)) => {
                prepared.exposed.iter().for_each(|exposed| event(Event::Exposed { place: &place, exposed }));
                self.chunk.push(prepared);
            }
            Ok(None) => {
                if !self.sent_again.contains(&place) {
                    let known = self.journal.known(&place).is_some();
                    *(if known { &mut self.summary.already_published } else { &mut self.summary.repeated }) += 1;
                }
                event(Event::Known);
            }
            Err(reason) if self.keep_going => {
                self.summary.unfit += 1;
                event(Event::Unfit { place: &place, reason: &reason });
            }
            Err(reason) => {
                // What was signed before it is not held up.
                self.flush(event).await?;
                return Err(RunError::Line { place, reason: Box::new(reason) });
            }
        }
        if self.chunk.len() >= CHUNK {
            self.flush(event).await?;
        }
        Ok(())
    }

    /// Notes what was signed, durably, and sends it.
    async fn flush(&mut self, event: &mut impl FnMut(Event<'_>)) -> Result<(), RunError> {
        let chunk = std::mem::take(&mut self.chunk);
        // A receipt of a number that the journal does not know means that the journal is not the one that it was. Going on would sign that
        // number again, and write over what opens the seals of the decision that has it.
        let receipt = |prepared: &Prepared| self.receipts.join(file_name(self.agency.issuer(), &prepared.signed.number) + ".tlog-proof");
        if let Some(path) = chunk.iter().map(receipt).find(|path| path.exists()) {
            return Err(RunError::UnknownReceipt { path });
        }
        // What opens the seals first: afterwards it could not be had again.
        for prepared in chunk.iter().filter(|prepared| !prepared.disclosures.is_empty()) {
            let path = self.receipts.join(file_name(self.agency.issuer(), &prepared.signed.number) + ".disclosures");
            write_private(&path, &decision::disclosure::print_file(&prepared.disclosures))
                .map_err(|source| RunError::Write { path, source })?;
        }
        self.sync_receipts()?;
        let signed: Vec<Signed> = chunk.into_iter().map(|prepared| prepared.signed).collect();
        if !signed.is_empty() {
            self.journal.sign(&signed)?;
        }
        self.send(signed, event).await
    }

    fn sync_receipts(&self) -> Result<(), RunError> {
        durable::sync_directory(&self.receipts).map_err(|source| RunError::Write { path: self.receipts.clone(), source })
    }

    /// Sends statements that are in the journal, several at a time. After a failure nothing new is sent, and what was sent is finished.
    /// The refusal that ends a run is told by its error; `event` is told of those that came in after it.
    async fn send(&mut self, signed: Vec<Signed>, event: &mut impl FnMut(Event<'_>)) -> Result<(), RunError> {
        let mut running = JoinSet::new();
        let mut waiting = signed.into_iter();
        let mut result = Ok(());
        loop {
            while running.len() < self.concurrency && result.is_ok() {
                let Some(signed) = waiting.next() else { break };
                let (writer, path) =
                    (self.writer.clone(), self.receipts.join(file_name(self.agency.issuer(), &signed.number) + ".tlog-proof"));
                running.spawn(publish(writer, signed, path));
            }
            let Some(done) = running.join_next().await else { return result };
            let (signed, outcome) = done.expect("the job does not panic and is not cancelled");
            let finished = self.finish(&signed, outcome, event);
            if let (Err(_), Err(RunError::Refused { place, number, problem })) = (&result, &finished) {
                event(Event::Refused { place, number, problem });
            }
            result = result.and(finished);
        }
    }

    fn finish(&mut self, signed: &Signed, outcome: Result<LeafIndex, RunError>, event: &mut impl FnMut(Event<'_>)) -> Result<(), RunError> {
        let (place, number) = (&signed.place, &signed.number);
        match outcome {
            Ok(index) => {
                self.summary.published += 1;
                event(Event::Published { place, number, index });
                Ok(())
            }
            Err(RunError::Refused { problem, .. }) => {
                self.journal.refuse(signed, problem.kind.as_ref().map_or("refused", |kind| kind.as_str()))?;
                self.summary.refused += 1;
                if !self.keep_going {
                    return Err(RunError::Refused { place: place.clone(), number: number.clone(), problem });
                }
                event(Event::Refused { place, number, problem: &problem });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Sends one statement and writes its receipt.
async fn publish(writer: Writer, signed: Signed, path: PathBuf) -> (Signed, Result<LeafIndex, RunError>) {
    let place = signed.place.clone();
    let outcome = match writer.add_with_receipt(Bytes::from(signed.statement.clone())).await {
        Ok(receipt) => {
            let index = receipt.verified.index();
            let written = tokio::task::spawn_blocking(move || (durable::write_unsynced_name(&path, &receipt.bytes), path));
            match written.await.expect("the work does not panic and is not cancelled") {
                (Ok(()), _) => Ok(index),
                (Err(source), path) => Err(RunError::Write { path, source }),
            }
        }
        Err(SubmitError::Fetch(FetchError::Refused { problem, .. })) if is_final(&problem) => {
            Err(RunError::Refused { place, number: signed.number.clone(), problem: Box::new(problem) })
        }
        Err(source) => Err(RunError::Submit { place, source: Box::new(source) }),
    };
    (signed, outcome)
}

/// Whether the log has decided about the statement. Over its quota an issuer may send the same statement again tomorrow.
fn is_final(problem: &Problem) -> bool {
    (400..500).contains(&problem.status) && ![408, 429].contains(&problem.status)
}

/// Writes what only its owner may read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // Never sent: a statement whose disclosures are there is not in the journal yet, or its line would be known.
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn name(issuer: &str, series: &str, seq: u64) -> String {
        file_name(&issuer.parse().unwrap(), &Number { series: series.parse().unwrap(), seq })
    }

    #[test]
    fn the_usual_receipt_is_named_by_issuer_series_and_number() {
        assert_eq!(name("planning.port-calder.example", "2026", 42), "planning.port-calder.example-2026-42");
        assert_eq!(name("planning.example", "2026-appeals", 42), "planning.example-2026_appeals-42");
    }

    #[test]
    fn no_two_statements_have_one_name() {
        assert_ne!(name("a", "x-1", 2), name("a-x", "1", 2));
        let issuer = "[a-b]{1,2}(-[a-b0-1]{1,2}){0,2}";
        let series = "[a-b0-1]{1,2}(-[a-b0-1]{1,2}){0,2}";
        proptest::proptest!(|(one in (issuer, series, 1_u64..12), other in (issuer, series, 1_u64..12))| {
            assert_eq!(one == other, name(&one.0, &one.1, one.2) == name(&other.0, &other.1, other.2));
        });
    }
}
