//! From a line of an input to a signed statement.

use std::collections::BTreeSet;
use std::path::Path;

use decision::disclosure::Disclosure;
use decision::statement::{Draft, Malformed, SignStatementError, Statement};
use decision::text::BadText;
use decision::types::{IssuerId, Number, SeriesName, Timestamp, Vkey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};
use tlog::Hash;
use tlog::key::SigningKey;
use tlog::printable::Printable;
use tlog::proof::{MAX_PROOF_FILE, Proof};
use tlog::tiles::MAX_ENTRY;

use super::exposed::{self, Exposed};
use super::file_name;
use super::journal::{Journal, Place, Signed};
use super::mapping::{MapError, Mapping, seal_path};
use super::members::{self, NotMembers};
use crate::durable;

/// Who signs, for which log, and how its records become decisions.
#[derive(Debug)]
pub struct Agency {
    log: Box<str>,
    issuer: IssuerId,
    series: SeriesName,
    key: SigningKey,
    mapping: Mapping,
    random: SystemRandom,
    /// How many lines were made statements of, and by which of the mapping's paths something was sealed.
    lines: u64,
    sealed: BTreeSet<String>,
}

/// A statement that is ready to be noted and sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) signed: Signed,
    pub(super) disclosures: Vec<Disclosure>,
    pub(super) exposed: Vec<Exposed>,
}

/// Why a line cannot become a statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Not a JSON object.
    #[error("this is not a JSON object: give one decision a line, between curly brackets")]
    NotAnObject,
    /// A member that occurs twice.
    #[error("the member \"{}\" occurs twice in one object: only one of them can be meant, so take the other out", Printable(.0))]
    Twice(Box<str>),
    /// The line was another one when it was published.
    #[error(
        "this line was published as {0} and has changed since. What is published stays: bring the line back, and publish a correction by \
         `acta correct` or a line of its own"
    )]
    Changed(Number),
    /// The mapping does not fit.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The line names another log or issuer.
    #[error("`{field}` is \"{}\", but this run is for {expected}", Printable(found))]
    Other {
        /// Which field.
        field: &'static str,
        /// What it says.
        found: Box<str>,
        /// What it would have to say.
        expected: Box<str>,
    },
    /// Series or number that cannot be.
    #[error("`{0}` is not a {0} of a decision: see `acta publish --help`")]
    BadNumber(&'static str),
    /// The number is taken by another line.
    #[error("the number {0} is in use by another line")]
    NumberUsed(Number),
    /// A relation that is not complete.
    #[error(
        "each of `relates` needs `rel`, and either `index` and `leaf`, or `series` and `seq` of a decision whose receipt is in the directory"
    )]
    BadRelation,
    /// There is no receipt of what the line relates to.
    #[error("it relates to {}, of which there is no receipt in the directory: publish that one first", Printable(.0))]
    NotYet(Box<str>),
    /// A receipt under the name of another.
    #[error("it relates to {}, and the receipt in the directory that has this name is that of another statement: find the right one", Printable(.0))]
    OtherReceipt(Box<str>),
    /// More than an entry can hold.
    #[error(
        "the line has more bytes than an entry of a log can have, 65,535: keep long texts in documents, of which the decision has the digests"
    )]
    TooLong,
    /// Not a statement.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A text that is not what it looks like.
    #[error(transparent)]
    Text(#[from] BadText),
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignStatementError),
    /// No random numbers for seals.
    #[error("the system gives no random numbers: look at its kernel messages")]
    NoRandomNumbers,
}

impl Agency {
    /// Signs as `issuer` with `key`, into `series`, for the log of that name. `None` if the key is not named for the issuer.
    pub fn new(log: &str, issuer: IssuerId, series: SeriesName, key: SigningKey, mapping: Mapping) -> Option<Self> {
        let fits = Vkey::from(key.verifier_key()).is_named_for(&issuer);
        fits.then(|| Agency {
            log: log.into(),
            issuer,
            series,
            key,
            mapping,
            random: SystemRandom::new(),
            lines: 0,
            sealed: BTreeSet::new(),
        })
    }

    /// The log.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The issuer.
    pub fn issuer(&self) -> &IssuerId {
        &self.issuer
    }

    /// Makes a statement of a line and takes its number; `None` if that was done before. A line that cannot become one takes no number.
    pub(super) fn prepare(
        &mut self,
        journal: &mut Journal,
        place: &Place,
        line: &[u8],
        receipts: &Path,
    ) -> Result<Option<Prepared>, LineError> {
        let Some(Fresh { sha256, columns }) = read(journal, place, line)? else { return Ok(None) };
        let mut decision = self.mapping.apply(&columns)?;
        let mut relates = self.relations(&decision, receipts)?;
        for (rule, reference) in self.mapping.relations(&columns) {
            let number = journal.referred(&reference).cloned();
            match number.map(|number| located(receipts, &self.issuer, &number)) {
                Some(found) => relates.push(relation(rule.rel.as_str(), found?)),
                None if rule.optional => {}
                None => return Err(LineError::NotYet(reference.into())),
            }
        }
        if !relates.is_empty() {
            decision.insert("relates".into(), relates.into());
        }
        let number = self.complete(journal, &mut decision)?;
        let (random, mut no_random) = (self.random.clone(), false);
        let mut salt = || {
            let mut salt = [0; 16];
            no_random |= random.fill(&mut salt).is_err();
            salt
        };
        let disclosures = self.seal(&mut decision, &mut salt)?;
        if no_random {
            return Err(LineError::NoRandomNumbers);
        }
        let (statement, exposed) = self.sign(decision)?;
        let reference = self.mapping.reference(&columns);
        journal.take(&number, &sha256, reference.as_deref());
        Ok(Some(Prepared { signed: Signed { place: place.clone(), sha256, number, reference, statement }, disclosures, exposed }))
    }

    /// Checks a line as [`Agency::prepare`] does, but for what it relates to, and gives what looks like a person in it.
    pub(super) fn prepare_dry(&mut self, journal: &mut Journal, place: &Place, line: &[u8]) -> Result<Vec<Exposed>, LineError> {
        let Some(Fresh { sha256, columns }) = read(journal, place, line)? else { return Ok(Vec::new()) };
        let mut decision = self.mapping.apply(&columns)?;
        decision.remove("relates");
        let number = self.complete(journal, &mut decision)?;
        self.seal(&mut decision, &mut || [0; 16])?;
        // Signed too, since only that shows whether it fits into an entry.
        let (_, exposed) = self.sign(decision)?;
        journal.take(&number, &sha256, None);
        Ok(exposed)
    }

    /// Those of the mapping's paths by which nothing was sealed in any line, if there were lines: who misspells one publishes what it was to hide.
    pub(super) fn idle_seals(&self) -> Vec<String> {
        let idle = |path: &&String| self.lines > 0 && !self.sealed.contains(*path);
        self.mapping.seal.iter().filter(idle).cloned().collect()
    }

    fn seal(&mut self, decision: &mut Map<String, Value>, salt: &mut dyn FnMut() -> [u8; 16]) -> Result<Vec<Disclosure>, LineError> {
        self.lines += 1;
        let mut disclosures = Vec::new();
        for path in &self.mapping.seal {
            let sealed = seal_path(decision, path, salt)?;
            if !sealed.is_empty() && !self.sealed.contains(path) {
                self.sealed.insert(path.clone());
            }
            disclosures.extend(sealed);
        }
        Ok(disclosures)
    }

    /// The signed statement, and what looks like a person in it.
    fn sign(&self, decision: Map<String, Value>) -> Result<(String, Vec<Exposed>), LineError> {
        let exposed = exposed::find(&decision, &self.mapping.public);
        let draft = Draft::from_json(&Value::Object(decision))?;
        decision::text::check(draft.line())?;
        Ok((draft.sign(&[&self.key])?.to_string(), exposed))
    }

    /// Fills in what the line leaves out.
    fn complete(&self, journal: &Journal, decision: &mut Map<String, Value>) -> Result<Number, LineError> {
        for (field, expected) in [("log", &*self.log), ("issuer", self.issuer.as_str())] {
            match decision.get(field) {
                Some(found) if found != expected => {
                    let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
                    return Err(LineError::Other { field, found: found.into(), expected: expected.into() });
                }
                _ => decision.insert(field.into(), expected.into()),
            };
        }
        let series = match decision.get("series") {
            Some(series) => series.as_str().and_then(|series| series.parse().ok()).ok_or(LineError::BadNumber("series"))?,
            None => self.series.clone(),
        };
        let seq = match decision.get("seq") {
            Some(seq) => seq.as_u64().ok_or(LineError::BadNumber("seq"))?,
            None => journal.next(&series),
        };
        let number = Number { series, seq };
        if journal.is_used(&number) {
            return Err(LineError::NumberUsed(number));
        }
        decision.insert("series".into(), number.series.as_str().into());
        decision.insert("seq".into(), seq.into());
        decision.entry("type").or_insert_with(|| "decision".into());
        decision.entry("issued").or_insert_with(|| now().to_string().into());
        Ok(number)
    }

    /// The relations that the line states itself, with index and leaf hash filled in.
    fn relations(&self, decision: &Map<String, Value>, receipts: &Path) -> Result<Vec<Value>, LineError> {
        let Some(relates) = decision.get("relates") else { return Ok(Vec::new()) };
        let relates = relates.as_array().ok_or(LineError::BadRelation)?;
        let complete = |one: &Value| {
            if one.get("leaf").is_some() {
                return Ok(one.clone());
            }
            let rel = one["rel"].as_str().ok_or(LineError::BadRelation)?;
            let issuer = match one.get("issuer") {
                None => self.issuer.clone(),
                Some(issuer) => issuer.as_str().and_then(|issuer| issuer.parse().ok()).ok_or(LineError::BadRelation)?,
            };
            let series = one["series"].as_str().and_then(|series| series.parse().ok()).ok_or(LineError::BadRelation)?;
            let number = Number { series, seq: one["seq"].as_u64().ok_or(LineError::BadRelation)? };
            Ok(relation(rel, located(receipts, &issuer, &number)?))
        };
        relates.iter().map(complete).collect()
    }
}

/// A line that was not published yet.
struct Fresh {
    sha256: String,
    columns: Map<String, Value>,
}

/// Reads a line; `None` if it was published as it is, there or elsewhere: the same line is the same decision.
fn read(journal: &Journal, place: &Place, line: &[u8]) -> Result<Option<Fresh>, LineError> {
    // Of a longer one only the beginning was read.
    if line.len() > MAX_ENTRY {
        return Err(LineError::TooLong);
    }
    let sha256 = Hash::sha256(line).to_hex();
    match journal.known(place) {
        Some((known, _)) if *known == sha256 => return Ok(None),
        Some((_, number)) => return Err(LineError::Changed(number.clone())),
        None if journal.line(&sha256).is_some() => return Ok(None),
        None => {}
    }
    let columns = members::parse(line).map_err(|error| match error {
        NotMembers::NotAnObject => LineError::NotAnObject,
        NotMembers::Twice(name) => LineError::Twice(name),
    })?;
    Ok(Some(Fresh { sha256, columns }))
}

/// Where a statement is, by its receipt: index and leaf hash. The receipt must be that of this very statement and not only called so, or
/// another decision would be overturned; whether it is true is for the log to say, which compares index and leaf hash.
fn located(receipts: &Path, issuer: &IssuerId, number: &Number) -> Result<(u64, Hash), LineError> {
    let name = file_name(issuer, number);
    let bytes = durable::read_bounded(&receipts.join(format!("{name}.tlog-proof")), u64::try_from(MAX_PROOF_FILE).unwrap_or(u64::MAX));
    let proof = bytes.ok().flatten().and_then(|bytes| Proof::parse(&bytes).ok());
    let Some(proof) = proof else { return Err(LineError::NotYet(name.into())) };
    let entry = proof.extra().unwrap_or_default();
    let is_meant = |statement: &Statement| statement.issuer() == Some(issuer) && statement.number().as_ref() == Some(number);
    match Statement::parse(entry) {
        Ok(statement) if is_meant(&statement) => Ok((proof.index().as_u64(), Hash::leaf(entry))),
        _ => Err(LineError::OtherReceipt(name.into())),
    }
}

fn relation(rel: &str, (index, leaf): (u64, Hash)) -> Value {
    json!({ "rel": rel, "index": index, "leaf": leaf.to_hex() })
}

/// Now, to the second.
fn now() -> Timestamp {
    Timestamp::from_unix(jiff::Timestamp::now().as_second()).expect("the clock is between the years 0 and 9999")
}
