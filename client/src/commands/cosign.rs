//! `acta cosign`.

use acta_client::cosign::{CosignError, Witness};
use acta_client::location::Location;
use acta_client::verified::VerifiedLog;
use clap::Args;
use serde_json::json;
use tlog::key::VerifierKey;
use tlog::printable::Printable;

use super::{Exit, Failure, LogArgs, say, say_json, show};

/// Have a witness cosign a log's latest head
#[derive(Debug, Args)]
#[command(
    after_help = "A log has its witnesses cosign each head by itself; this asks one of them by hand: to see whether it follows the log, to \
try a new one, or to see it refuse. Anybody may do so, since the head is public and the witness decides by what it saw before.\n\nExample:\n  \
acta cosign --log https://log.example --policy policy --witness https://witness.example/w1\n\nExit status: 0 it has signed, \
with a key that the policy lists; 1 it refused, or signed with none of those; 3 it or the log did not answer."
)]
pub(crate) struct Cosign {
    #[command(flatten)]
    log: LogArgs,
    /// The witness's address: the one that policies give for it
    #[arg(long, value_name = "URL")]
    witness: Location,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Cosign {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match self.cosign().await {
            Err(failure) if self.json => failure.say_json(),
            result => result,
        }
    }

    async fn cosign(&self) -> Result<(), Failure> {
        let policy = self.log.policy()?;
        // A head that enough witnesses have signed need not be there yet: this is about getting one.
        let log = VerifiedLog::open(self.log.source(&policy, &self.log.options()?)?, &policy.without_quorum()).await?;
        let keys: Vec<VerifierKey> = policy.witnesses().iter().map(|witness| witness.key().clone()).collect();
        let cosigned = Witness::new(&self.witness, &self.log.options()?)?.cosign(&log, &keys).await?;
        let size = log.size().as_u64();
        let lines = cosigned.lines.iter().map(|line| (line.key(), line.timestamp().map_or(0, u64::from)));
        if self.json {
            let lines: Vec<_> = lines.map(|(key, time)| json!({ "key": key.to_string(), "time": time })).collect();
            return say_json(&json!({ "good": true, "size": size, "cosignatures": lines, "unknown": cosigned.unknown }));
        }
        for (key, time) in lines {
            let head = show::count(size, "entry", "entries");
            say(format_args!("{} ({}) cosigned the head of {head} at {}", Printable(key.name()), key.id(), show::time(time)))?;
        }
        if cosigned.unknown > 0 {
            let lines = show::count(cosigned.unknown.try_into().unwrap_or(u64::MAX), "line", "lines");
            say(format_args!("{lines} of its answer are of no key that the policy lists as a witness's, so they were not checked"))?;
        }
        Ok(())
    }
}

impl From<CosignError> for Failure {
    fn from(error: CosignError) -> Self {
        let exit = match error {
            CosignError::Read(error) => return error.into(),
            CosignError::NotAServer | CosignError::Request(_) => Exit::Usage,
            CosignError::Refused { status: 429 | 500..=599, .. } => Exit::Unavailable,
            CosignError::Refused { .. }
            | CosignError::Ahead { .. }
            | CosignError::UnknownKeys { .. }
            | CosignError::BadSignature { .. } => Exit::Refused,
            _ => Exit::Unavailable,
        };
        exit.because(error)
    }
}
