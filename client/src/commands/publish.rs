//! `acta publish`: decisions as signed statements, or lines as they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acta_client::publish::{Event, Input, PublishError, Publisher, Summary};
use acta_client::source::Source;
use acta_client::submit::Writer;
use acta_client::terminal;
use acta_client::verified::ReadError;
use clap::Args;
use decision::types::{IssuerId, SeriesName};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tlog::policy::Policy;

use super::{Exit, Failure, LogArgs, say, say_json, show, warn};

mod exposure;
mod signed;

pub(super) use exposure::Exposures;
pub(super) use signed::{prepare, read_mapping};

/// Publish decisions, with a receipt for each
#[derive(Debug, Args)]
#[command(
    after_help = "With --issuer, each line of a .jsonl file (or file of a directory, or row of a .csv file) becomes a decision, signed with \
--key: log, issuer, series, number and time are filled in where the line leaves them out, and --mapping FILE says how records of your own \
become decisions. Every signed decision is noted in DIR/ISSUER.statements.jsonl before it is sent, and its receipt is \
DIR/ISSUER-SERIES-NUMBER.tlog-proof (hyphens of the series as _, so that no two issuers' receipts have one name). A line that relates to an earlier decision names it by series and seq. Entries stay for ever: what looks like a person in the clear \
(a party's name without a registry number, an e-mail address, a telephone number, a day of birth) is warned about, with the line for the mapping \
that seals it, and published all the same; --dry-run warns too, in time.\n\nWithout --issuer, each line \
becomes an entry of the log, byte for byte, for logs that take any entries. Its receipt is \
checked and then written to DIR, under the entry's leaf hash; the same bytes have one entry and one receipt, however often they come. \
DIR/publish-state.jsonl says which line has which receipt.\n\nInterrupted? Run the same command again: only what is missing is \
published.\n\nExamples:\n  acta publish --log https://log.example --policy policy --issuer planning.example --key planning.key --series 2026 \
--receipts receipts decisions.jsonl\n  acta publish --log https://log.example --policy policy --receipts receipts lines.jsonl\n\nExit status: 0 every \
entry has its receipt; 1 the log refused a decision, or sent a receipt that does not hold; 2 an input is wrong, or an entry was too large for a log; 3 the network \
or the log failed."
)]
pub(crate) struct Publish {
    #[command(flatten)]
    log: LogArgs,
    /// Where to write the receipts
    #[arg(long, value_name = "DIR")]
    receipts: PathBuf,
    /// Who decides: the lines become signed decisions of this issuer
    #[arg(long, value_name = "ID", requires = "key", requires = "series")]
    issuer: Option<IssuerId>,
    /// The issuer's private key
    #[arg(long, value_name = "FILE", requires = "issuer")]
    key: Option<PathBuf>,
    /// Which of the issuer's counters numbers the decisions, such as 2026
    #[arg(long, value_name = "NAME", requires = "issuer")]
    series: Option<SeriesName>,
    /// How the lines become decisions, and which fields are sealed; client/publish-mapping.example.toml shows all
    #[arg(long, value_name = "FILE", requires = "issuer")]
    mapping: Option<PathBuf>,
    /// Check all lines, warn about what looks like a person in the clear, and send and write nothing
    #[arg(long, requires = "issuer")]
    dry_run: bool,
    /// Go on when the log refuses a decision, and list those at the end
    #[arg(long, requires = "issuer")]
    keep_going: bool,
    /// .jsonl files, or directories
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// How many entries to publish at the same time; with 1 they keep their order in the log
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Print a line for each receipt, rather than a progress bar
    #[arg(long, short)]
    verbose: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Publish {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match self.publish().await {
            Err(failure) if self.json => failure.say_json(),
            result => result,
        }
    }

    async fn publish(&self) -> Result<(), Failure> {
        if let (Some(issuer), Some(key), Some(series)) = (&self.issuer, &self.key, &self.series) {
            return self.signed(issuer, key, series).await;
        }
        let inputs: Vec<_> = self.inputs.iter().map(|path| Input::at(path)).collect::<Result<_, _>>().map_err(PublishError::from)?;
        let total = inputs.iter().map(Input::count).sum::<Result<u64, _>>().map_err(PublishError::from)?;
        let publisher = self.prepare().await?;
        let bar = if self.verbose { ProgressBar::hidden() } else { progress_bar(total) };
        let mut told = Ok(());
        let result = publisher.run(&inputs, |event| self.show(&event, &bar, &mut told)).await;
        bar.finish_and_clear();
        told?;
        let summary = result.map_err(|error| {
            warn("stopped before the end; run the same command again to go on");
            Failure::from(error)
        })?;
        self.tell(&summary)
    }

    /// Finds out for which log the receipts will be, before anything is sent: what is published cannot be taken back.
    async fn prepare(&self) -> Result<Publisher, Failure> {
        let policy = self.log.policy()?;
        let mut options = self.log.options()?;
        options.concurrency = self.concurrency.into();
        let source = self.log.source(&policy, &options)?;
        if source.is_local() {
            return Err(Exit::Usage.because("entries are published to a log's server: give its address (http://… or https://…) with --log"));
        }
        let origin = log_at(&source, &policy).await?;
        let wait = Duration::from_secs(self.log.wait);
        let writer = Writer::new(source, policy.clone(), wait).map_err(|error| Exit::Usage.because(error))?;
        Ok(Publisher::new(writer, &policy, &origin, &self.receipts, self.concurrency.into())?)
    }

    fn show(&self, event: &Event<'_>, bar: &ProgressBar, told: &mut Result<(), Failure>) {
        bar.inc(1);
        match event {
            Event::Published { item, index, receipt, replaced } if self.verbose && !self.json => {
                let again = if *replaced { " (replaces a receipt that did not hold)" } else { "" };
                let line = say(format_args!("{item}: entry {index}, receipt {}{again}", name(receipt)));
                *told = std::mem::replace(told, Ok(())).and(line);
            }
            // Told at once: there may be more of them than memory holds, and the run may end early.
            Event::TooLarge(item) => bar.suspend(|| {
                warn(format_args!("{item}: not published: it has more than 65,535 bytes; publish a digest of it instead"));
            }),
            _ => {}
        }
    }

    fn tell(&self, summary: &Summary) -> Result<(), Failure> {
        if self.json {
            say_json(&json!({ "summary": summary, "receipts": self.receipts.display().to_string() }))?;
        } else {
            let published = show::count(summary.published, "entry", "entries");
            say(format_args!("{published} published, each with a receipt in {}", terminal::path(&self.receipts)))?;
            let others = [
                (summary.already_published, "had a good receipt already"),
                (summary.repeated, "came more than once, and share one receipt"),
                (summary.replaced, "had a receipt that did not hold; it was replaced"),
                (summary.empty, "were empty and left out"),
            ];
            for (count, what) in others.iter().filter(|(count, _)| *count > 0) {
                say(format_args!("{} {what}", show::grouped(*count)))?;
            }
        }
        if summary.too_large > 0 { Err(Exit::Usage.told()) } else { Ok(()) }
    }
}

/// The origin of the log that answers, whose own signature must be good. Its witnesses may not have seen the latest head yet.
pub(super) async fn log_at(source: &Source, policy: &Policy) -> Result<String, Failure> {
    let signed = source.checkpoint().await.map_err(ReadError::from)?;
    signed.verify_log(&policy.log_keys()).map_err(|error| Exit::Refused.because(format!("nothing was published. {error}")))?;
    Ok(signed.checkpoint().origin().to_string())
}

fn name(receipt: &Path) -> String {
    receipt.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn progress_bar(items: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} decisions  {per_sec}  {eta} left");
    ProgressBar::new(items).with_style(style.expect("the template is valid"))
}
