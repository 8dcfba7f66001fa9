//! `acta prove`: a receipt made here, from tiles.

use std::path::PathBuf;

use acta_client::verified::VerifiedLog;
use clap::{ArgGroup, Args};
use tlog::tiles::MAX_ENTRY;
use tlog::{Hash, LeafIndex};

use super::{CacheArgs, Exit, Failure, LogArgs, read_file, write_out};

/// Make a receipt for an entry of a log
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("which").required(true),
    after_help = "The receipt is built from the log's tiles, each of which is checked, and not from what the server says the proof is. \
An entry is looked up by its hash with the server's help; if that does not find it, by reading all of the log's hashes.\n\nExamples:\n  \
acta prove 41 --log https://log.example --policy policy --out 41.tlog-proof\n  \
acta prove --entry permit.json --log https://log.example --policy policy"
)]
pub(crate) struct Prove {
    /// Which entry, from 0
    #[arg(group = "which")]
    index: Option<u64>,
    /// The entry with this leaf hash, in hexadecimal
    #[arg(long, value_name = "HASH", group = "which")]
    leaf: Option<String>,
    /// The entry with the bytes of this file
    #[arg(long, value_name = "FILE", group = "which")]
    entry: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Write the receipt to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Prove {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let entry = self.entry.as_deref().map(|path| read_file(path, MAX_ENTRY)).transpose()?;
        let leaf = match &self.leaf {
            Some(leaf) => Some(Hash::from_hex(leaf).map_err(|_| Exit::Usage.because("--leaf: give 64 lower-case hexadecimal digits"))?),
            None => entry.as_deref().map(Hash::leaf),
        };
        let log = self.log.open(&self.cache).await?;
        let index = match (self.index, leaf) {
            (Some(index), _) => LeafIndex::new(index),
            (None, Some(leaf)) => find(&log, &leaf).await?,
            (None, None) => return Err(Exit::Usage.because("give an index, --leaf or --entry")),
        };
        let entry = match entry {
            Some(entry) => entry.into(),
            None => log.entry(index).await?,
        };
        let receipt = log.prove(index, Some(&entry)).await?;
        write_out(self.out.as_deref(), &receipt.to_bytes())
    }
}

async fn find(log: &VerifiedLog, leaf: &Hash) -> Result<LeafIndex, Failure> {
    let hint = log.source().index_hint(leaf).await;
    Ok(log.find(leaf, hint).await?)
}
