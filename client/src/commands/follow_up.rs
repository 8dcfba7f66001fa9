//! `acta correct`, `acta supersede`, `acta revoke`: a decision that takes the place of an earlier one.

use std::path::{Path, PathBuf};

use acta_client::statements::{Event, Mapping, Run, RunError};
use acta_client::{durable, terminal};
use clap::Args;
use decision::statement::Statement;
use decision::types::{Body, Date, IssuerId, Kind, Relation, SeriesName};
use serde_json::{Map, Value, json};
use tlog::Hash;
use tlog::proof::{MAX_PROOF_FILE, Proof};
use tlog::tiles::MAX_ENTRY;

use super::publish::{Exposures, prepare, read_mapping};
use super::{Exit, Failure, LogArgs, read_file, say, warn, wrong_file};

/// What all three need.
#[derive(Debug, Args)]
pub(crate) struct FollowUp {
    #[command(flatten)]
    log: LogArgs,
    /// The receipt of the decision whose place is taken: one's own, or one that the issuer may overrule
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// Who decides
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// The issuer's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Which of the issuer's counters numbers the new decision
    #[arg(long, value_name = "NAME")]
    series: SeriesName,
    /// Where the issuer's receipts are, and the new one goes
    #[arg(long, value_name = "DIR")]
    receipts: PathBuf,
    /// Why, in a line
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// What kind of decision the new one is [default: that of the earlier one]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// The day of the new decision [default: today's date in UTC, the zone of `issued`]
    #[arg(long, value_name = "YYYY-MM-DD")]
    decided: Option<Date>,
    /// What is sealed in the new decision: the `seal` and `public` of a mapping, as `acta publish` has it
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

/// Put an error in a published decision right
#[derive(Debug, Args)]
#[command(
    after_help = "NEW.json has the fields that change; all others are taken over from the earlier decision, but for sealed ones. The \
earlier decision stays in the log, marked as corrected.\n\nExample:\n  acta correct receipts/planning.example-2026-19.tlog-proof new.json \
--issuer planning.example --key planning.key --series 2026 --receipts receipts --log https://log.example --policy policy\n\nExit status: 0 \
published; 1 the log refused it; 2 a file is wrong; 3 the network or the log failed."
)]
pub(crate) struct Correct {
    #[command(flatten)]
    follow_up: FollowUp,
    /// The fields that change, as JSON
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
}

/// Decide anew what a published decision decided
#[derive(Debug, Args)]
#[command(
    after_help = "NEW.json has the fields that change; all others are taken over from the earlier decision, but for sealed ones. The \
earlier decision stays in the log, marked as superseded.\n\nExample:\n  acta supersede receipts/planning.example-2026-24.tlog-proof \
new.json --issuer planning.example --key planning.key --series 2026 --receipts receipts --log https://log.example --policy policy\n\nExit \
status: 0 published; 1 the log refused it; 2 a file is wrong; 3 the network or the log failed."
)]
pub(crate) struct Supersede {
    #[command(flatten)]
    follow_up: FollowUp,
    /// The fields that change, as JSON
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
}

/// End a published decision
#[derive(Debug, Args)]
#[command(after_help = "The earlier decision stays in the log, marked as revoked; nothing can follow on it.\n\nExample:\n  acta revoke \
receipts/planning.example-2026-15.tlog-proof --reason 'at the holder'\\''s request' --issuer planning.example --key planning.key --series 2026 \
--receipts receipts --log https://log.example --policy policy\n\nExit status: 0 published; 1 the log refused it; 2 a file is wrong; 3 the \
network or the log failed.")]
pub(crate) struct Revoke {
    #[command(flatten)]
    follow_up: FollowUp,
}

impl Correct {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        self.follow_up.run(Relation::Corrects, read_fields(&self.new)?).await
    }
}

impl Supersede {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        self.follow_up.run(Relation::Supersedes, read_fields(&self.new)?).await
    }
}

impl Revoke {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let fields = Map::from_iter([("outcome".to_owned(), Value::from("revoked"))]);
        self.follow_up.run(Relation::Revokes, fields).await
    }
}

fn read_fields(path: &Path) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(&read_file(path, MAX_ENTRY)?).map_err(|error| wrong_file(path, error))
}

impl FollowUp {
    async fn run(&self, rel: Relation, fields: Map<String, Value>) -> Result<(), Failure> {
        let ready = prepare(&self.log, &self.issuer, &self.series, &self.key, self.mapping()?).await?;
        let receipt = Proof::parse(&read_file(&self.receipt, MAX_PROOF_FILE)?).map_err(|error| wrong_file(&self.receipt, error))?;
        let verified = receipt.verify_receipt(&ready.policy, None).map_err(|error| Exit::Refused.because(error))?;
        let statement = Statement::parse(verified.entry()).map_err(|error| wrong_file(&self.receipt, error))?;
        let Body::Decision(_) = statement.body() else {
            return Err(wrong_file(&self.receipt, "it is the receipt of a statement that is not a decision"));
        };
        let related = json!({ "rel": rel.as_str(), "index": verified.index().as_u64(), "leaf": Hash::leaf(verified.entry()).to_hex() });
        let decision = self.decision(&statement.json(), fields, &related);
        // An input of its own, named after what it follows on: the same command, run again after a crash, completes the same statement.
        let line = self.receipts.join(format!("{}-{rel}-{}.jsonl", self.issuer, verified.index()));
        if line.exists() {
            self.is_the_same(&line, &decision)?;
        } else {
            durable::create_directory(&self.receipts).map_err(|error| wrong_file(&self.receipts, error))?;
            durable::write(&line, decision.to_string().as_bytes()).map_err(|error| wrong_file(&line, error))?;
        }
        let run = Run::new(ready.agency, ready.writer, ready.policy, &self.receipts, 1, false)?;
        let (mut told, mut exposures) = (Ok(()), Exposures::default());
        let result = run
            .run(std::slice::from_ref(&line), |event| {
                let said = match event {
                    Event::Exposed { place, exposed } => {
                        exposures.note(place, exposed).into_iter().for_each(warn);
                        Ok(())
                    }
                    Event::Published { number, index, .. } => {
                        say(format_args!("published as {number} of {}: entry {index} {rel} entry {}", self.issuer, verified.index()))
                    }
                    Event::Known => say(format_args!("that was published before: see {}", terminal::path(&line))),
                    _ => Ok(()),
                };
                told = std::mem::replace(&mut told, Ok(())).and(said);
            })
            .await;
        if matches!(result, Err(RunError::Refused { .. } | RunError::Line { .. })) {
            // Another attempt may say another thing.
            std::fs::remove_file(&line).map_err(|error| wrong_file(&line, error))?;
        }
        result?;
        told
    }

    /// Whether an earlier run was to publish what this one is: it is completed as it was begun, and what is asked for now must not get lost.
    fn is_the_same(&self, line: &Path, decision: &Value) -> Result<(), Failure> {
        let earlier: Value = serde_json::from_slice(&read_file(line, MAX_ENTRY)?).map_err(|error| wrong_file(line, error))?;
        let mut decision = decision.clone();
        // Run on another day, the same command means the same.
        if self.decided.is_none() {
            decision["decided"] = earlier["decided"].clone();
        }
        if decision == earlier {
            return Ok(());
        }
        Err(wrong_file(
            line,
            "this is what an earlier run published, or was to publish, in its place, and it is not what is asked for now. Run that command \
             again to complete it; what follows on it relates to its own receipt",
        ))
    }

    /// The new decision is a decision already, so only what is said of its fields counts.
    fn mapping(&self) -> Result<Mapping, Failure> {
        let Some(path) = &self.mapping else { return Ok(Mapping::default()) };
        let Mapping { seal, public, .. } = read_mapping(path)?;
        Ok(Mapping { seal, public, ..Mapping::default() })
    }

    /// The new decision: the earlier one's fields, but for those that are its own or sealed, and the new ones.
    fn decision(&self, earlier: &Value, fields: Map<String, Value>, related: &Value) -> Value {
        let mut decision = without_seals(earlier);
        if let Some(members) = decision.as_object_mut() {
            for own in ["issuer", "issued", "series", "seq", "relates", "documents", "log"] {
                members.remove(own);
            }
            // Not by the zone of this machine, which may be anywhere: `issued` is in UTC, and no decision is of the day after.
            let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
            members.insert("decided".into(), today.to_string().into());
            if let Some(kind) = &self.kind {
                members.insert("kind".into(), kind.as_str().into());
            }
            if let Some(reason) = &self.reason {
                members.insert("reason".into(), reason.as_str().into());
            }
            members.extend(fields);
            if let Some(decided) = &self.decided {
                members.insert("decided".into(), decided.to_string().into());
            }
            members.insert("relates".into(), json!([related]));
        }
        decision
    }
}

/// What is sealed stays with the decision that it was sealed for.
fn without_seals(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().filter(|(name, _)| *name != "_sd").map(|(name, value)| (name.clone(), without_seals(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_seals).collect(),
        other => other.clone(),
    }
}
