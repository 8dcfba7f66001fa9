//! `acta checkpoint`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tlog::printable::Printable;

use super::{CacheArgs, Failure, LogArgs, say, say_json, show, witnesses_json, write_out};

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
            return say_json(&json!({
                "origin": checkpoint.origin().as_str(),
                "size": checkpoint.size().as_u64(),
                "root": checkpoint.root().to_base64(),
                "witnesses": witnesses_json(head.cosignatures()),
            }));
        }
        say(format_args!("log:       {}", Printable(checkpoint.origin())))?;
        say(format_args!("size:      {}", show::count(checkpoint.size().as_u64(), "entry", "entries")))?;
        say(format_args!("root:      {}", checkpoint.root().to_base64()))?;
        let witnesses = match head.cosignatures() {
            [] => "none, and the policy wants none".to_owned(),
            cosigned => show::cosigned(cosigned),
        };
        say(format_args!("witnesses: {witnesses}"))
    }
}
