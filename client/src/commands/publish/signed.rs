//! `acta publish --issuer`: decisions as signed statements.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acta_client::statements::{Agency, Event, Mapping, Run, RunError, Summary, lines};
use acta_client::submit::Writer;
use acta_client::terminal;
use decision::types::{IssuerId, SeriesName};
use indicatif::ProgressBar;
use serde_json::json;
use tlog::policy::Policy;

use super::exposure::Exposures;
use super::{Publish, log_at, progress_bar};
use crate::commands::{Exit, Failure, LogArgs, read_file, say, say_json, show, warn, wrong_file};

/// The most bytes of a mapping.
const MAX_MAPPING: usize = 1 << 20;

/// Refusals shown one by one.
const SHOWN: u64 = 20;

impl Publish {
    pub(super) async fn signed(&self, issuer: &IssuerId, key: &Path, series: &SeriesName) -> Result<(), Failure> {
        let mapping = self.mapping.as_deref().map_or_else(|| Ok(Mapping::default()), read_mapping)?;
        let prepared = prepare(&self.log, issuer, series, key, mapping).await?;
        let concurrency = usize::from(self.concurrency);
        let mut run = Run::new(prepared.agency, prepared.writer, prepared.policy, &self.receipts, concurrency, self.keep_going)?;
        if self.dry_run {
            return self.dry_run(&mut run);
        }
        let total = self.count()?;
        let bar = if self.verbose { ProgressBar::hidden() } else { progress_bar(total) };
        let mut told = Told {
            verbose: self.verbose && !self.json,
            bar,
            exposures: Exposures::default(),
            reasons: BTreeMap::new(),
            refused: 0,
            result: Ok(()),
        };
        let result = run.run(&self.inputs, |event| told.tell(&event)).await;
        told.bar.finish_and_clear();
        told.exposures.finish();
        told.result?;
        let summary = result.inspect_err(|_| warn("stopped before the end; run the same command again to go on"))?;
        warn_of_idle(&summary.idle_seals);
        self.summarize(&summary, &told.reasons, &told.exposures)
    }

    fn count(&self) -> Result<u64, Failure> {
        let mut total = 0;
        for input in &self.inputs {
            for line in lines(input).map_err(RunError::from)? {
                line.map_err(RunError::from)?;
                total += 1;
            }
        }
        Ok(total)
    }

    fn dry_run(&self, run: &mut Run) -> Result<(), Failure> {
        let (mut problems, mut exposures) = (0_u64, Exposures::default());
        let good = run.dry_run(&self.inputs, |event| match event {
            Event::Unfit { place, reason } => {
                problems += 1;
                warn(format_args!("{place}: {reason}"));
            }
            Event::Exposed { place, exposed } => {
                exposures.note(place, exposed).into_iter().for_each(warn);
            }
            _ => {}
        })?;
        exposures.finish();
        warn_of_idle(&run.idle_seals());
        say(format_args!("{}, {problems} not; nothing was sent", show::count(good, "line can be published", "lines can be published")))?;
        if problems > 0 { Err(Exit::Usage.told()) } else { Ok(()) }
    }

    fn summarize(&self, summary: &Summary, reasons: &BTreeMap<String, u64>, exposures: &Exposures) -> Result<(), Failure> {
        if self.json {
            let receipts = self.receipts.display().to_string();
            say_json(&json!({ "summary": summary, "refused": reasons, "in_the_clear": exposures.json(), "receipts": receipts }))?;
        } else {
            let published = show::count(summary.published, "decision", "decisions");
            say(format_args!("{published} published, each with a receipt in {}", terminal::path(&self.receipts)))?;
            if summary.already_published > 0 {
                say(format_args!("{} had been published before", show::grouped(summary.already_published)))?;
            }
            if summary.repeated > 0 {
                let lines = show::count(summary.repeated, "line is", "lines are");
                say(format_args!("{lines} the same as others that are published, and the same decision: what is another one must say so"))?;
            }
            for (reason, count) in reasons {
                say(format_args!("{} refused: {reason}", show::grouped(*count)))?;
            }
        }
        if summary.refused + summary.unfit > 0 { Err(Exit::Refused.told()) } else { Ok(()) }
    }
}

/// All that a run needs, once the log has answered.
pub(in crate::commands) struct Ready {
    pub(in crate::commands) agency: Agency,
    pub(in crate::commands) writer: Writer,
    pub(in crate::commands) policy: Arc<Policy>,
}

/// Finds the log and the key. Nothing is sent.
pub(in crate::commands) async fn prepare(
    log: &LogArgs,
    issuer: &IssuerId,
    series: &SeriesName,
    key: &Path,
    mapping: Mapping,
) -> Result<Ready, Failure> {
    let policy = log.policy()?;
    let source = log.source(&policy, &log.options()?)?;
    if source.is_local() {
        return Err(Exit::Usage.because("decisions are published to a log's server: give its address (http://… or https://…) with --log"));
    }
    let key = keyfile::load(key).map_err(|error| Exit::Usage.because(error))?;
    let origin = log_at(&source, &policy).await?;
    let name = key.verifier_key().name().to_string();
    let agency = Agency::new(&origin, issuer.clone(), series.clone(), key, mapping).ok_or_else(|| {
        Exit::Usage.because(format!(
            "--key: the key is named {}, and one of {issuer} is named {issuer}, or {issuer}/ and something more",
            tlog::printable::Printable(&name)
        ))
    })?;
    let policy = policy.only(&origin).ok_or_else(|| Exit::Usage.because(format!("the policy does not list the log {origin}")))?;
    let writer = Writer::new(source, policy.clone(), Duration::from_secs(log.wait)).map_err(|error| Exit::Usage.because(error))?;
    Ok(Ready { agency, writer, policy: Arc::new(policy) })
}

pub(in crate::commands) fn read_mapping(path: &Path) -> Result<Mapping, Failure> {
    let text = String::from_utf8(read_file(path, MAX_MAPPING)?).map_err(|_| wrong_file(path, "it is not UTF-8 text"))?;
    toml::from_str(&text).map_err(|error| wrong_file(path, error))
}

fn warn_of_idle(seals: &[String]) {
    for path in seals {
        let path = tlog::printable::Printable(path);
        warn(format_args!("warning: the mapping seals `{path}`, and no new line has such a field: is it spelt as the lines spell it?"));
    }
}

/// Shows what happens.
struct Told {
    verbose: bool,
    bar: ProgressBar,
    exposures: Exposures,
    /// How often each reason was met.
    reasons: BTreeMap<String, u64>,
    refused: u64,
    result: Result<(), Failure>,
}

impl Told {
    fn tell(&mut self, event: &Event<'_>) {
        if let Event::Exposed { place, exposed } = event {
            // Before it is sent, and no line of its own for the bar.
            if let Some(warning) = self.exposures.note(place, exposed) {
                self.bar.suspend(|| warn(warning));
            }
            return;
        }
        self.bar.inc(1);
        match event {
            Event::Published { place, number, index } if self.verbose && self.result.is_ok() => {
                self.result = say(format_args!("{place}: {number} is entry {index}"));
            }
            Event::Refused { place, number, problem } => {
                let reason = problem.kind.as_ref().map_or("for no reason given", |kind| kind.as_str());
                *self.reasons.entry(reason.to_owned()).or_default() += 1;
                self.refused += 1;
                if self.refused <= SHOWN {
                    self.bar.suspend(|| warn(format_args!("{place}: not published as {number}: {problem}")));
                }
            }
            Event::Unfit { place, reason } => {
                *self.reasons.entry("not a statement".to_owned()).or_default() += 1;
                self.refused += 1;
                if self.refused <= SHOWN {
                    self.bar.suspend(|| warn(format_args!("{place}: not published: {reason}")));
                }
            }
            _ => {}
        }
    }
}
