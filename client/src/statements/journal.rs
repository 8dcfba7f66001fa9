//! The journal of an issuer's statements: JSON Lines, only ever added to.
//!
//! Invariant: a statement stands here, synced, before it is sent anywhere. So whatever happens after that, the next run finds the very bytes
//! that may be in the log already and sends them again, under the same number. The first line says which log and issuer it is about; a
//! line that a crash cut off is dropped, because nothing of it was ever sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use decision::types::{IssuerId, Number, SeriesName};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tlog::printable::Printable;

use crate::{durable, terminal};

const FORMAT: &str = "acta statements v1";

/// A line of an input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file, as it was named.
    pub input: String,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// A statement that was signed for a line of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// For which line.
    #[serde(flatten)]
    pub place: Place,
    /// SHA-256 of that line, in hexadecimal digits.
    pub sha256: String,
    /// Its number.
    #[serde(flatten)]
    pub number: Number,
    /// What its own records call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The entry.
    pub statement: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Journal {
        format: String,
        log: String,
        issuer: String,
    },
    Signed(Signed),
    /// The log refused it: line and number are free again.
    Refused {
        place: Place,
        number: Number,
        reason: String,
    },
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file operation failed.
    #[error("{}: {source}", terminal::path(.path))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another run holds the lock.
    #[error("another `acta publish` is writing to {}; wait until it is done", terminal::path(.path))]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// Not a journal.
    #[error("line {line} of {} is not one of ours. It says which numbers are used: bring back a good copy", terminal::path(.path))]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// Of another issuer.
    #[error("{} is about the issuer {}; it was renamed, or is a copy: bring back the one of this issuer", terminal::path(.path), Printable(issuer))]
    OtherIssuer {
        /// The journal.
        path: PathBuf,
        /// That issuer.
        issuer: String,
    },
    /// Of another log.
    #[error("{} is about the log {}; use another directory for this one", terminal::path(.path), Printable(log))]
    OtherLog {
        /// The journal.
        path: PathBuf,
        /// That log.
        log: String,
    },
}

/// The numbers of a series that are in use.
#[derive(Debug, Default)]
struct Numbers {
    used: BTreeSet<u64>,
    /// All from 1 to here are used, so that the next one is found without counting from 1 again.
    contiguous: u64,
}

impl Numbers {
    fn take(&mut self, seq: u64) {
        self.used.insert(seq);
        while self.used.contains(&(self.contiguous + 1)) {
            self.contiguous += 1;
        }
    }

    fn free(&mut self, seq: u64) {
        self.used.remove(&seq);
        self.contiguous = self.contiguous.min(seq.saturating_sub(1));
    }
}

/// The journal, open and locked: one run at a time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// What each line of an input became: the hash of the line, and its number.
    places: HashMap<Place, (String, Number)>,
    /// The number of each line's statement, by the hash of the line, wherever it stood.
    lines: HashMap<String, Number>,
    /// Numbers in use, by series.
    numbers: BTreeMap<SeriesName, Numbers>,
    references: HashMap<String, Number>,
    /// Signed in an earlier run, and not known to be in the log.
    pending: Vec<Signed>,
}

impl Journal {
    /// Opens or creates the journal of `issuer` in `directory`, which is created too. What has a receipt, says `has_receipt`, is done.
    pub fn open(directory: &Path, log: &str, issuer: &IssuerId, has_receipt: impl Fn(&Number) -> bool) -> Result<Self, JournalError> {
        let path = directory.join(format!("{issuer}.statements.jsonl"));
        let failed = |source| JournalError::File { path: path.clone(), source };
        durable::create_directory(directory).map_err(failed)?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(JournalError::InUse { path }),
            Err(error) => return Err(failed(error.into())),
        }
        let (places, lines, numbers, references) = (HashMap::new(), HashMap::new(), BTreeMap::new(), HashMap::new());
        let mut journal = Journal { path: path.clone(), file, places, lines, numbers, references, pending: Vec::new() };
        let header = journal.read(has_receipt)?;
        match header {
            Some((known, _)) if known != log => Err(JournalError::OtherLog { path, log: known }),
            Some((_, known)) if known != issuer.as_str() => Err(JournalError::OtherIssuer { path, issuer: known }),
            Some(_) => Ok(journal),
            None => {
                journal.append(&[Line::Journal { format: FORMAT.into(), log: log.into(), issuer: issuer.to_string() }])?;
                durable::sync_directory(directory).map_err(failed)?;
                Ok(journal)
            }
        }
    }

    /// What a line of an input became, if it did: the hash of the line then, and its number.
    pub fn known(&self, place: &Place) -> Option<&(String, Number)> {
        self.places.get(place)
    }

    /// The number of the statement of a line with this hash, in whatever file it stood: under another name of the file, or copied into
    /// another one, it is still the same decision.
    pub fn line(&self, sha256: &str) -> Option<&Number> {
        self.lines.get(sha256)
    }

    /// The number of the statement that the issuer's own records call so.
    pub fn referred(&self, reference: &str) -> Option<&Number> {
        self.references.get(reference)
    }

    /// Whether a number is in use.
    pub fn is_used(&self, number: &Number) -> bool {
        self.numbers.get(&number.series).is_some_and(|numbers| numbers.used.contains(&number.seq))
    }

    /// The lowest number of a series that is not in use.
    pub fn next(&self, series: &SeriesName) -> u64 {
        self.numbers.get(series).map_or(1, |numbers| numbers.contiguous + 1)
    }

    /// Takes a number for the statement of a line that is to be signed, and what the issuer's own records call it.
    pub fn take(&mut self, number: &Number, sha256: &str, reference: Option<&str>) {
        self.lines.insert(sha256.to_owned(), number.clone());
        self.numbers.entry(number.series.clone()).or_default().take(number.seq);
        if let Some(reference) = reference {
            self.references.insert(reference.to_owned(), number.clone());
        }
    }

    /// What was signed in an earlier run and has no receipt yet.
    pub fn take_pending(&mut self) -> Vec<Signed> {
        std::mem::take(&mut self.pending)
    }

    /// Notes statements, durably, before they are sent.
    pub fn sign(&mut self, signed: &[Signed]) -> Result<(), JournalError> {
        let lines: Vec<Line> = signed.iter().cloned().map(Line::Signed).collect();
        self.append(&lines)?;
        signed.iter().for_each(|signed| self.note(signed));
        Ok(())
    }

    /// Notes that the log refused a statement: its number is free again, and its line may be changed.
    pub fn refuse(&mut self, signed: &Signed, reason: &str) -> Result<(), JournalError> {
        let (place, number) = (signed.place.clone(), signed.number.clone());
        self.append(&[Line::Refused { place: place.clone(), number: number.clone(), reason: reason.into() }])?;
        self.forget(&place, &number);
        Ok(())
    }

    fn note(&mut self, signed: &Signed) {
        self.take(&signed.number, &signed.sha256, signed.reference.as_deref());
        self.places.insert(signed.place.clone(), (signed.sha256.clone(), signed.number.clone()));
    }

    fn forget(&mut self, place: &Place, number: &Number) {
        self.places.remove(place);
        self.references.retain(|_, referred| referred != number);
        self.lines.retain(|_, known| known != number);
        if let Some(numbers) = self.numbers.get_mut(&number.series) {
            numbers.free(number.seq);
        }
        self.pending.retain(|signed| signed.number != *number);
    }

    fn append(&mut self, lines: &[Line]) -> Result<(), JournalError> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).expect("texts and numbers are valid JSON");
            text.push(b'\n');
        }
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        written.map_err(|source| JournalError::File { path: self.path.clone(), source })
    }

    /// Reads all complete lines, and cuts off what a crash left of another. Gives log and issuer.
    fn read(&mut self, has_receipt: impl Fn(&Number) -> bool) -> Result<Option<(String, String)>, JournalError> {
        let path = self.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let mut reader = BufReader::new(self.file.try_clone().map_err(failed)?);
        reader.seek(SeekFrom::Start(0)).map_err(failed)?;
        let (mut header, mut end, mut text) = (None, 0, Vec::new());
        for line in 1_u64.. {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(failed)?;
            if text.last() != Some(&b'\n') {
                break;
            }
            let damaged = || JournalError::Damaged { path: path.clone(), line };
            match serde_json::from_slice(&text).map_err(|_| damaged())? {
                Line::Journal { format, log, issuer } if line == 1 && format == FORMAT => header = Some((log, issuer)),
                Line::Signed(signed) if line > 1 => {
                    self.note(&signed);
                    // One by one, so that only what is pending is kept in memory whole.
                    if !has_receipt(&signed.number) {
                        self.pending.push(signed);
                    }
                }
                Line::Refused { place, number, .. } if line > 1 => self.forget(&place, &number),
                _ => return Err(damaged()),
            }
            end += u64::try_from(length).expect("a length fits");
        }
        self.file.set_len(end).map_err(failed)?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn signed(line: u64, seq: u64) -> Signed {
        let number = Number { series: "2026".parse().unwrap(), seq };
        let place = Place { input: "in.jsonl".into(), line: Some(line) };
        Signed { place, sha256: format!("hash of {line}"), number, reference: Some(format!("ref-{line}")), statement: "text\n".into() }
    }

    fn open(directory: &Path) -> Journal {
        Journal::open(directory, "log.example", &"planning.example".parse().unwrap(), |number| number.seq == 1).unwrap()
    }

    #[test]
    fn what_was_signed_and_has_no_receipt_is_pending() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).sign(&[signed(1, 1), signed(2, 2), signed(3, 3)]).unwrap();
        let mut journal = open(dir.path());
        assert_eq!(journal.take_pending(), [signed(2, 2), signed(3, 3)]);
        assert_eq!(journal.next(&"2026".parse().unwrap()), 4);
        assert_eq!(journal.known(&signed(2, 2).place), Some(&("hash of 2".into(), signed(2, 2).number)));
        assert_eq!(journal.referred("ref-3"), Some(&signed(3, 3).number));
    }

    #[test]
    fn the_number_of_a_refused_statement_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        journal.sign(&[signed(1, 1), signed(2, 2), signed(3, 3)]).unwrap();
        journal.refuse(&signed(2, 2), "kind-not-allowed").unwrap();
        drop(journal);
        let mut journal = open(dir.path());
        assert_eq!(journal.next(&"2026".parse().unwrap()), 2);
        assert_eq!(journal.known(&signed(2, 2).place), None);
        assert_eq!(journal.take_pending(), [signed(3, 3)]);
    }

    #[test]
    fn the_next_number_is_the_lowest_that_is_free_whatever_was_taken_and_given_back() {
        proptest::proptest!(|(steps in proptest::collection::vec((1_u64..12, proptest::bool::ANY), 0..60))| {
            let (mut numbers, mut used) = (Numbers::default(), BTreeSet::new());
            for (seq, taken) in steps {
                if taken {
                    numbers.take(seq);
                    used.insert(seq);
                } else {
                    numbers.free(seq);
                    used.remove(&seq);
                }
                assert_eq!(numbers.contiguous + 1, (1..).find(|seq| !used.contains(seq)).unwrap());
            }
        });
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_dropped_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).sign(&[signed(1, 1), signed(2, 2)]).unwrap();
        let path = dir.path().join("planning.example.statements.jsonl");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let journal = open(dir.path());
            assert_eq!(journal.places.len(), lines.saturating_sub(1), "cut after {cut} bytes");
            drop(journal);
            open(dir.path()).sign(&[signed(9, 9)]).unwrap();
            assert!(open(dir.path()).known(&signed(9, 9).place).is_some(), "what is added after a cut is read again");
        }
    }

    #[test]
    fn another_log_another_run_and_foreign_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        let issuer = "planning.example".parse().unwrap();
        assert!(matches!(Journal::open(dir.path(), "log.example", &issuer, |_| false), Err(JournalError::InUse { .. })));
        drop(journal);
        assert!(matches!(Journal::open(dir.path(), "other.example", &issuer, |_| false), Err(JournalError::OtherLog { .. })));
        let renamed = dir.path().join("court.example.statements.jsonl");
        std::fs::copy(dir.path().join("planning.example.statements.jsonl"), renamed).unwrap();
        let court = "court.example".parse().unwrap();
        assert!(matches!(Journal::open(dir.path(), "log.example", &court, |_| false), Err(JournalError::OtherIssuer { .. })));
        std::fs::write(dir.path().join("planning.example.statements.jsonl"), "{}\n").unwrap();
        assert!(matches!(Journal::open(dir.path(), "log.example", &issuer, |_| false), Err(JournalError::Damaged { line: 1, .. })));
    }
}
