//! `acta audit`.

use std::path::PathBuf;
use std::time::Instant;

use acta_client::audit::{HeadStore, audit};
use acta_client::verified::VerifiedLog;
use clap::Args;
use serde_json::json;
use tlog::printable::Printable;

use super::{Exit, Failure, LogArgs, add_witnesses, entries_bar, own_directories, say, say_json, show};

/// Read a whole log again and check all of it
#[derive(Debug, Args)]
#[command(after_help = "Every entry is fetched and hashed, every tile compared, and the root that comes out must be the signed one. The \
head is kept, and the next audit checks that the log still begins with it: a log that went back, or that shows another history, fails \
loudly, and both heads are kept in a file.\n\nExample:\n  acta audit --log https://log.example --policy policy")]
pub(crate) struct Audit {
    #[command(flatten)]
    log: LogArgs,
    /// Where to keep the last verified head of each log [default: the user's state directory]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How many bundles to fetch at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match self.audit().await {
            Err(failure) if self.json => failure.say_json(),
            result => result,
        }
    }

    async fn audit(&self) -> Result<(), Failure> {
        let policy = self.log.policy()?;
        let mut options = self.log.options()?;
        options.concurrency = self.concurrency.into();
        let log = VerifiedLog::open(self.log.source(&policy, &options)?, &policy).await?;
        let started = Instant::now();
        let bar = entries_bar(log.size().as_u64());
        let result = audit(&log, &policy, &HeadStore::new(&self.state_directory()?), |entries, _| bar.inc(entries)).await;
        bar.finish_and_clear();
        let audited = result?;
        let seconds = started.elapsed().as_secs_f64();
        let checkpoint = log.checkpoint();
        if self.json {
            let mut json = json!({
                "good": true,
                "origin": checkpoint.origin().as_str(),
                "size": checkpoint.size().as_u64(),
                "root": checkpoint.root().to_base64(),
                "entry_bytes": audited.bytes,
                "previous_size": audited.previous.map(tlog::TreeSize::as_u64),
                "seconds": seconds,
            });
            add_witnesses(&mut json, &policy, log.head());
            return say_json(&json);
        }
        let continues = match audited.previous {
            Some(size) => format!("It continues the log of the last audit ({}).", show::count(size.as_u64(), "entry", "entries")),
            None => "This is the first audit of this log here; the next one will check that it continues this one.".to_owned(),
        };
        let size = show::count(checkpoint.size().as_u64(), "entry", "entries");
        let witnesses = match show::witnesses(&policy.tally(log.head().cosignatures())) {
            Some(witnesses) => format!("Its head is witnessed by {witnesses}."),
            None => "No witness has signed its head, and the policy wants none.".to_owned(),
        };
        let origin = Printable(checkpoint.origin());
        say(format_args!("{origin}: good. All of its {size} are what it signed ({seconds:.1} s).\n{witnesses}\n{continues}"))
    }

    fn state_directory(&self) -> Result<PathBuf, Failure> {
        let own = || own_directories().map(|own| own.state_dir().unwrap_or(own.data_local_dir()).join("audit"));
        let directory = self.state.clone().or_else(own);
        directory.ok_or_else(|| Exit::Usage.because("there is no home directory to keep the last head in; give --state DIR"))
    }
}
