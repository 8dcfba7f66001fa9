//! `acta status`: what stands of an entry, by the operator's word or by the log's own entries.

use std::time::Duration;

use acta_client::status::{Compared, Told, told};
use acta_client::words::Words;
use clap::Args;
use decision::ledger::Status;
use serde_json::{Value, json};
use tlog::LeafIndex;

use super::{CacheArgs, Exit, Failure, LogArgs, entries_bar, say, say_json, show, stdout};

/// Say what stands of an entry: in force, corrected, superseded or revoked, and by whom it was issued
#[derive(Debug, Args)]
#[command(
    after_help = "Without --verify this is the operator's word, and no signature covers it. With --verify all entries of the log are read, \
each signature and rule is checked here, and the result is compared with what the operator says. What was read stays in the cache, so that \
another time only new entries are fetched, and what was computed too, so that only new ones are judged.\n\nExamples:\n  acta status --log https://log.example --policy policy 41\n  \
acta status --log https://log.example --policy policy 41 --verify\n\nExit status: 0 the answer is there (with --verify: and agrees with the \
entries); 1 the operator says something else than the entries; 2 there is no such entry; 3 the log cannot be read."
)]
pub(crate) struct StatusCommand {
    /// Which entry, from 0
    index: u64,
    #[command(flatten)]
    log: LogArgs,
    /// Compute it from the log's entries, and compare
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    cache: CacheArgs,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl StatusCommand {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let result = if self.verify { self.compare().await } else { self.ask().await };
        match result {
            Err(failure) if self.json => failure.say_json(),
            result => result,
        }
    }

    async fn ask(&self) -> Result<(), Failure> {
        let policy = self.log.policy()?;
        let source = self.log.source(&policy, &self.log.options()?)?;
        let told = told(&source, LeafIndex::new(self.index)).await?;
        if self.json {
            return say_json(&json!({ "index": self.index, "told": told_json(told.as_ref()), "verified": false }));
        }
        match &told {
            Some(told) => {
                stdout(Words::of_status(&told.status).lines("").as_bytes())?;
                let size = show::count(told.size, "entry", "entries");
                say(format_args!("So says the operator of the log, after {size}. To compute it from the entries:  acta status --verify"))
            }
            None => say(format_args!(
                "The operator says nothing of entry {}: this log keeps no ledger, or it is no statement that it should have taken in.",
                self.index
            )),
        }
    }

    async fn compare(&self) -> Result<(), Failure> {
        let log = self.log.open(&self.cache).await?;
        let policy = self.log.policy()?;
        let bar = entries_bar(log.size().as_u64());
        let wait = Duration::from_secs(self.log.wait);
        let kept = self.cache.folds(log.checkpoint().origin().as_str());
        let compared = Compared::at(log, &policy, LeafIndex::new(self.index), kept.as_ref(), wait, |entries| bar.inc(entries)).await;
        bar.finish_and_clear();
        let compared = compared?;
        if self.json {
            say_json(&self.json(&compared))?;
        } else {
            self.tell(&compared)?;
        }
        if compared.agrees() == Some(false) { Err(Exit::Refused.told()) } else { Ok(()) }
    }

    fn tell(&self, compared: &Compared) -> Result<(), Failure> {
        let size = show::count(compared.size.as_u64(), "entry", "entries");
        match (&compared.now, &compared.finding) {
            (Some(now), _) => {
                stdout(Words::of_status(now).lines("").as_bytes())?;
                say(format_args!("This follows from the {size} of the log, each of which was checked."))?;
            }
            (None, Some(finding)) => {
                let reason = acta_client::terminal::line(&finding.reason);
                say(format_args!("Entry {} says nothing that counts. {}: {reason}", self.index, finding.name))?;
            }
            (None, None) => say(format_args!("Entry {} says nothing that counts.", self.index))?,
        }
        if compared.findings > 0 {
            let entries = show::count(compared.findings, "entry is", "entries are");
            say(format_args!("{entries} no statements that this log's rules admit; they change nothing."))?;
        }
        match (compared.agrees(), &compared.told) {
            (Some(false), Some(told)) => {
                say(format_args!("THE OPERATOR SAYS SOMETHING ELSE, of the time after {}:", show::count(told.size, "entry", "entries")))?;
                stdout(Words::of_status(&told.status).lines("    ").as_bytes())?;
                say("From the entries follows for that time:")?;
                match &compared.then {
                    Some(then) => stdout(Words::of_status(then).lines("    ").as_bytes())?,
                    None => say("    nothing: there is no such statement")?,
                }
                say("Keep both: this log shows what its own entries contradict.")
            }
            (Some(true), _) => say("The operator says the same."),
            _ => say("The operator was not asked, or says nothing of it."),
        }
    }

    fn json(&self, compared: &Compared) -> Value {
        let status = |status: &Option<Status>| serde_json::to_value(status).unwrap_or_default();
        json!({
            "index": self.index,
            "verified": true,
            "agrees": compared.agrees(),
            "told": told_json(compared.told.as_ref()),
            "then": status(&compared.then),
            "now": status(&compared.now),
            "size": compared.size.as_u64(),
            "finding": compared.finding.as_ref().map(|finding| json!({
                "name": finding.name,
                "reason": finding.reason,
            })),
            "findings": compared.findings,
        })
    }
}

/// Its size beside the members of the status.
fn told_json(told: Option<&Told>) -> Value {
    told.map_or(Value::Null, |told| {
        let mut value = serde_json::to_value(&told.status).unwrap_or_default();
        value["size"] = told.size.into();
        value
    })
}
