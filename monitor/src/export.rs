//! Findings and decisions as files for other programs: JSON Lines, or a table (CSV).
//!
//! Rows are written as they are read, so an export needs no more memory than a bundle of entries, however much there is.
//!
//! A table is opened by programs that compute what looks like a formula. Texts of strangers that begin like one have an apostrophe before
//! them, which such programs do not show and others can take away; numbers stay as they are.
//!
//! | export | columns, which stay in this order; new ones come at the end |
//! |---|---|
//! | findings | [`FINDINGS`] |
//! | decisions and annotations | [`DECISIONS`] |

use std::borrow::Cow;
use std::io::{self, Write};

use acta_client::terminal;
use decision::statement::Statement;
use decision::types::{Body, Decision, Relates};
use jiff::Timestamp;
use serde_json::{Value, json};
use tlog::{Hash, LeafIndex};

use crate::finding::Finding;
use crate::findings::{self, Change};
use crate::ledger::StoredLedger;
use crate::logs::{self, LogState};
use crate::published::Lookup;
use crate::store::{Store, StoreError};

/// The columns of findings, and the members of a line of JSON.
pub const FINDINGS: [&str; 12] =
    ["id", "log", "code", "severity", "title", "group", "subject", "text", "indexes", "evidence", "found", "resolved"];

/// The columns of decisions and annotations. A line of JSON has these members too, and `statement` with the whole statement.
pub const DECISIONS: [&str; 25] = [
    "log",
    "index",
    "leaf",
    "type",
    "issuer",
    "series",
    "seq",
    "kind",
    "subject",
    "outcome",
    "decided",
    "effective",
    "until",
    "unit",
    "place",
    "parties",
    "amount",
    "currency",
    "legal_basis",
    "documents",
    "relates",
    "issued",
    "published",
    "standing",
    "by",
];

/// Rows that are read at a time.
const CHUNK: u64 = 256;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object of JSON in each line.
    JsonLines,
    /// A table (RFC 4180), with the names of columns in its first line.
    Csv,
}

/// What is exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only what is of the log with this origin.
    pub log: Option<String>,
    /// Only findings that were found then or later; only decisions that were published then or later, or, if that is not known, signed.
    pub since: Option<Timestamp>,
}

/// An export ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The monitor does not follow the log that was named.
    #[error("the monitor never followed that log; write the origin as its policy has it")]
    UnknownLog,
    /// What was written could not be.
    #[error("the export cannot be written: {0}")]
    Write(io::Error),
}

// By hand: `#[from]` would make what the text says already a source as well, and it would be printed twice.
impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        ExportError::Write(error)
    }
}

/// Writes all findings in the order in which they were found, each once, and gives how many.
pub fn findings(store: &Store, selection: &Selection, format: Format, out: impl Write) -> Result<u64, ExportError> {
    selection.check(store)?;
    let mut table = Table::new(out, format, &FINDINGS)?;
    let mut last = 0;
    loop {
        let events = findings::events_after(store, last, usize::try_from(CHUNK).expect("small"))?;
        let Some(newest) = events.last() else { return table.finish() };
        last = newest.number;
        for event in events.iter().filter(|event| event.change == Change::Opened) {
            // One that was opened again is written where that was.
            let finding = findings::finding(store, event.finding)?.filter(|finding| finding.found == event.at);
            if let Some(finding) = finding.filter(|finding| selection.has(&finding.log, finding.found)) {
                table.row(&of_finding(&finding), &Value::Null)?;
            }
        }
    }
}

/// Writes all decisions and annotations in the order of their logs, also those that a log should have refused, and gives how many.
pub fn decisions(store: &Store, selection: &Selection, format: Format, out: impl Write) -> Result<u64, ExportError> {
    selection.check(store)?;
    let mut table = Table::new(out, format, &DECISIONS)?;
    for log in logs::all(store)?.into_iter().filter(|log| selection.log.as_ref().is_none_or(|wanted| *wanted == log.origin)) {
        let (size, mut lookup) = (log.size.as_u64(), Lookup::new(store, log.number));
        for from in (0..size).step_by(usize::try_from(CHUNK).expect("small")) {
            let mut entries = Vec::new();
            logs::entries(store, log.number, from..size.min(from + CHUNK), |index, entry| {
                entries.push((index, entry.to_vec()));
                true
            })?;
            for (index, entry) in entries {
                let published = lookup.at(index)?.map(|published| published.latest);
                let Ok(statement) = Statement::parse(&entry) else { continue };
                let signed = Timestamp::from_second(statement.issued().as_unix()).unwrap_or(Timestamp::MIN);
                if matches!(statement.body(), Body::Decision(_) | Body::Annotation(_))
                    && selection.has(&log.origin, published.unwrap_or(signed))
                {
                    let row = of_entry(store, &log, index, &entry, &statement, published)?;
                    table.row(&row, &statement.json())?;
                }
            }
        }
    }
    table.finish()
}

impl Selection {
    fn check(&self, store: &Store) -> Result<(), ExportError> {
        let Some(log) = &self.log else { return Ok(()) };
        logs::by_origin(store, log)?.map(drop).ok_or(ExportError::UnknownLog)
    }

    fn has(&self, log: &str, at: Timestamp) -> bool {
        self.log.as_ref().is_none_or(|wanted| wanted == log) && self.since.is_none_or(|since| at >= since)
    }
}

/// In the order of [`FINDINGS`].
fn of_finding(finding: &Finding) -> [Value; FINDINGS.len()] {
    [
        json!(finding.id),
        json!(finding.log),
        json!(finding.code),
        json!(finding.severity),
        json!(finding.code.title()),
        json!(finding.group),
        json!(finding.subject),
        json!(finding.text),
        json!(finding.indexes),
        json!(finding.evidence),
        json!(finding.found),
        json!(finding.resolved),
    ]
}

/// In the order of [`DECISIONS`].
fn of_entry(
    store: &Store,
    log: &LogState,
    index: LeafIndex,
    entry: &[u8],
    statement: &Statement,
    published: Option<Timestamp>,
) -> Result<[Value; DECISIONS.len()], StoreError> {
    let status = StoredLedger::new(store, log.number).status(index)?;
    let number = statement.number();
    let (decision, annotation) = match statement.body() {
        Body::Decision(decision) => (Some(&**decision), None),
        Body::Annotation(annotation) => (None, Some(annotation)),
        _ => (None, None),
    };
    let of = |get: fn(&Decision) -> Value| decision.map_or(Value::Null, get);
    let relates: &[Relates] =
        decision.map(|decision| &*decision.relates).or(annotation.map(|annotation| &*annotation.relates)).unwrap_or(&[]);
    let standing = status.as_ref().and_then(|status| status.standing);
    Ok([
        json!(log.origin),
        json!(index.as_u64()),
        json!(Hash::leaf(entry).to_hex()),
        json!(statement.body().type_name()),
        json!(statement.issuer()),
        json!(number.as_ref().map(|number| &number.series)),
        json!(number.as_ref().map(|number| number.seq)),
        annotation.map_or_else(|| of(|decision| json!(decision.kind)), |annotation| json!(annotation.kind)),
        annotation.map_or_else(|| of(|decision| json!(decision.subject)), |annotation| json!(annotation.text)),
        of(|decision| json!(decision.outcome)),
        of(|decision| json!(decision.decided)),
        of(|decision| json!(decision.effective)),
        of(|decision| json!(decision.until)),
        of(|decision| json!(decision.unit)),
        of(|decision| json!(decision.place.as_ref().and_then(|place| place.address.as_ref()))),
        of(|decision| decision.parties.iter().filter_map(|party| party.name.as_ref()).map(|name| json!(name)).collect()),
        of(|decision| json!(decision.amount.as_ref().map(|amount| &amount.value))),
        of(|decision| json!(decision.amount.as_ref().map(|amount| &amount.currency))),
        of(|decision| json!(decision.legal_basis)),
        of(|decision| decision.documents.iter().map(|document| json!(document.sha256)).collect()),
        relates.iter().map(|relates| json!(format!("{} {}", relates.rel, relates.index))).collect(),
        json!(statement.issued()),
        json!(published),
        // Of an annotation nothing, of a decision that does not count that it does not.
        if status.is_none() { json!("refused") } else { json!(standing) },
        json!(status.as_ref().and_then(|status| status.by)),
    ])
}

/// Rows as they are written.
struct Table<'c, W: Write> {
    columns: &'c [&'c str],
    out: Out<W>,
    rows: u64,
}

enum Out<W: Write> {
    JsonLines(io::BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
}

impl<'c, W: Write> Table<'c, W> {
    fn new(out: W, format: Format, columns: &'c [&'c str]) -> Result<Self, ExportError> {
        let out = match format {
            Format::JsonLines => Out::JsonLines(io::BufWriter::new(out)),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
                writer.write_record(columns).map_err(io::Error::from)?;
                Out::Csv(Box::new(writer))
            }
        };
        Ok(Table { columns, out, rows: 0 })
    }

    /// Writes a row. `statement` is in JSON only.
    fn row(&mut self, values: &[Value], statement: &Value) -> Result<(), ExportError> {
        self.rows += 1;
        match &mut self.out {
            Out::JsonLines(out) => {
                let names = self.columns.iter().map(|name| (*name).to_owned());
                let mut object: serde_json::Map<String, Value> = names.zip(values.iter().cloned()).collect();
                if !statement.is_null() {
                    object.insert("statement".to_owned(), statement.clone());
                }
                // Somebody may look at it in a terminal.
                writeln!(out, "{}", terminal::json(&Value::Object(object).to_string()))?;
            }
            Out::Csv(writer) => {
                let cells = values.iter().map(cell);
                writer.write_record(cells.map(|cell| harmless(&cell).into_owned())).map_err(io::Error::from)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<u64, ExportError> {
        match self.out {
            Out::JsonLines(mut out) => out.flush()?,
            Out::Csv(mut writer) => writer.flush()?,
        }
        Ok(self.rows)
    }
}

/// A value as a cell; a list has semicolons in it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join("; "),
        value => value.to_string(),
    }
}

/// A cell that no program takes for a formula. Where lists have semicolons between them, as in much of Europe, or tabs, programs cut lines there
/// as well, wherever quotation marks are: so what follows one of these is looked at as if it were a cell.
fn harmless(cell: &str) -> Cow<'_, str> {
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        return cell.into();
    }
    let (mut disarmed, mut at_start) = (String::with_capacity(cell.len()), Some(0));
    for c in cell.chars() {
        if let Some(start) = at_start.filter(|_| begins(c)) {
            disarmed.insert(start, '\'');
            at_start = None;
        }
        disarmed.push(c);
        at_start = match c {
            ';' | '\t' | '\r' | '\n' => Some(disarmed.len()),
            // Programs pass over spaces and quotation marks before a formula.
            c if c.is_whitespace() || c == '"' => at_start,
            _ => None,
        };
    }
    if disarmed.len() == cell.len() { cell.into() } else { disarmed.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::sync::Arc;

    use super::*;
    use crate::check::Outcome;
    use crate::finding::{Code, Raised};
    use crate::stored_log::{self, StoredLog};

    fn world() -> (tempfile::TempDir, Arc<Store>) {
        let (dir, store) = stored_log::store();
        let mut log = StoredLog::new(&store, "log.example");
        let parties = json!([{"role": "applicant", "name": "=1+2"}, {"role": "agent", "name": "B; C"}]);
        let first =
            log.decide(1, json!({"subject": "@SUM(\"A1\"), see", "amount": {"value": "-3.50", "currency": "EUR"}, "parties": parties}));
        log.decide(2, json!({"relates": log.relates("corrects", first)}));
        log.annotate(3, json!({"text": "-not a number"}));
        log.push(b"no statement".to_vec());
        log.store();
        crate::logs::register(&store, "other.example").unwrap();
        for (second, subject, cleared) in [(0, "a", None), (10, "b", None), (20, "c", Some("a")), (30, "a", None)] {
            let mut outcome = Outcome::default();
            outcome.raise(Raised::new(Code::GAP, "planning.example", subject, "+Missing\u{202e}.").at([4, 5]));
            cleared.iter().for_each(|subject| outcome.clear(Code::GAP, *subject));
            let now = Timestamp::from_second(1_800_000_000 + second).unwrap();
            store.write(|txn| crate::findings::record(txn, "log.example", now, outcome)).unwrap();
        }
        (dir, store)
    }

    fn lines(bytes: Vec<u8>) -> Vec<Value> {
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn records(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn each_finding_is_there_once_and_in_order() {
        let (_dir, store) = world();
        let mut out = Vec::new();
        assert_eq!(findings(&store, &Selection::default(), Format::JsonLines, &mut out).unwrap(), 3);
        assert!(!String::from_utf8(out.clone()).unwrap().contains('\u{202e}'));
        let found = lines(out);
        assert_eq!(found.iter().map(|finding| finding["subject"].as_str().unwrap()).collect::<Vec<_>>(), ["b", "c", "a"]);
        assert_eq!(found[0]["text"], "+Missing\u{202e}.", "as data it is whole");
        assert_eq!(found[0].as_object().unwrap().len(), FINDINGS.len());
        let since = Selection { since: Some(Timestamp::from_second(1_800_000_015).unwrap()), ..Selection::default() };
        let mut out = Vec::new();
        assert_eq!(findings(&store, &since, Format::Csv, &mut out).unwrap(), 2);
        let records = records(&out);
        assert_eq!(records[0], FINDINGS);
        assert_eq!((records[1][6].as_str(), records[1][7].as_str(), records[1][8].as_str()), ("c", "'+Missing\u{202e}.", "4; 5"));
    }

    #[test]
    fn decisions_have_how_they_stand_and_nothing_in_a_cell_is_a_formula() {
        let (_dir, store) = world();
        let mut out = Vec::new();
        assert_eq!(decisions(&store, &Selection::default(), Format::Csv, &mut out).unwrap(), 3);
        let rows = records(&out);
        assert_eq!(rows[0], DECISIONS);
        let at = |row: usize, name: &str| rows[row][DECISIONS.iter().position(|column| *column == name).unwrap()].as_str();
        assert_eq!((at(1, "subject"), at(1, "parties"), at(1, "amount")), ("'@SUM(\"A1\"), see", "'=1+2; B; C", "-3.50"));
        assert_eq!((at(1, "standing"), at(1, "by"), at(2, "relates")), ("corrected", "4", "corrects 3"));
        assert_eq!((at(3, "type"), at(3, "subject"), at(3, "standing")), ("annotation", "'-not a number", ""));
        assert_eq!(at(1, "published"), stored_log::PUBLISHED);
        let mut out = Vec::new();
        let of_log = Selection { log: Some("log.example".into()), since: Some(stored_log::PUBLISHED.parse().unwrap()) };
        decisions(&store, &of_log, Format::JsonLines, &mut out).unwrap();
        let lines = lines(out);
        assert_eq!((lines.len(), &lines[0]["statement"]["subject"]), (3, &json!("@SUM(\"A1\"), see")));
        assert_eq!(lines[0].as_object().unwrap().len(), DECISIONS.len() + 1);
        let mut nothing = Vec::new();
        let of_other = |log: &str| Selection { log: Some(log.into()), since: None };
        assert_eq!(decisions(&store, &of_other("other.example"), Format::JsonLines, &mut nothing).unwrap(), 0);
        let unknown = decisions(&store, &of_other("unknown.example"), Format::JsonLines, &mut nothing);
        assert!(matches!(unknown, Err(ExportError::UnknownLog)) && nothing.is_empty());
    }

    #[test]
    fn what_looks_like_a_formula_is_disarmed_and_numbers_are_not() {
        for (cell, expected) in [
            ("=1", "'=1"),
            ("  =1", "'  =1"),
            ("\t1", "'\t1"),
            ("＝1", "'＝1"),
            ("-1-1", "'-1-1"),
            ("-", "'-"),
            ("-1.5", "-1.5"),
            ("", ""),
            ("a=1", "a=1"),
            ("A roof;=cmd|' /C calc'!A0;", "A roof;'=cmd|' /C calc'!A0;"),
            ("A roof; \"@SUM(A1)\"", "A roof;' \"@SUM(A1)\""),
            ("a;b; -c", "a;b;' -c"),
            ("4; 5", "4; 5"),
        ] {
            assert_eq!(harmless(cell), expected, "{cell}");
        }
    }
}
