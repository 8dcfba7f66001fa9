//! `acta get`.

use std::io::IsTerminal;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;
use tlog::{Hash, LeafIndex};

use super::{CacheArgs, Failure, LogArgs, say, say_json, show, write_out};

/// Fetch an entry by its index and check that it is the log's
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  acta get 41 --log https://log.example --policy policy > decision.json")]
pub(crate) struct Get {
    /// Which entry, from 0
    index: u64,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Write it to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print it as JSON, with its leaf hash
    #[arg(long, conflicts_with = "out")]
    json: bool,
}

impl Get {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let log = self.log.open(&self.cache).await?;
        let entry = log.entry(LeafIndex::new(self.index)).await?;
        if self.json {
            return say_json(&json!({
                "index": self.index,
                "leaf_hash": Hash::leaf(&entry).to_hex(),
                "entry": show::text(&entry),
                "entry_base64": STANDARD.encode(&entry),
            }));
        }
        if self.out.is_none() && std::io::stdout().is_terminal() {
            // For eyes; a file or a pipe gets the bytes as they are.
            return match show::text(&entry) {
                Some(text) => say(text),
                None => say(show::entry(&entry)),
            };
        }
        write_out(self.out.as_deref(), &entry)
    }
}
