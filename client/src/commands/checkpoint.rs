//! `acta checkpoint`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tlog::printable::Printable;

use super::{CacheArgs, Failure, LogArgs, add_witnesses, say, say_json, show, write_out};

/// Fetch a log's latest checkpoint and check it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  acta checkpoint --log https://log.example --policy policy")]
pub(crate) struct Checkpoint {
    #[command(flatten)]
    log: LogArgs,
    /// Print the signed note itself
    #[arg(long)]
    raw: bool,
    /// Write the signed note to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long, conflicts_with = "raw")]
    json: bool,
}

impl Checkpoint {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let policy = self.log.policy()?;
        let log = self.log.open(&CacheArgs { cache: None, no_cache: true }).await?;
        let (head, checkpoint) = (log.head(), log.checkpoint());
        let note = head.signed().to_bytes();
        if let Some(out) = &self.out {
            write_out(Some(out), &note)?;
        }
        if self.raw {
            return write_out(None, &note);
        }
        if self.json {
            let mut json = json!({
                "origin": checkpoint.origin().as_str(),
                "size": checkpoint.size().as_u64(),
                "root": checkpoint.root().to_base64(),
            });
            add_witnesses(&mut json, &policy, head);
            return say_json(&json);
        }
        say(format_args!("log:       {}", Printable(checkpoint.origin())))?;
        say(format_args!("size:      {}", show::count(checkpoint.size().as_u64(), "entry", "entries")))?;
        say(format_args!("root:      {}", checkpoint.root().to_base64()))?;
        let witnesses = show::witnesses(&policy.tally(head.cosignatures()));
        say(format_args!("witnesses: {}", witnesses.as_deref().unwrap_or("none, and the policy wants none")))
    }
}
