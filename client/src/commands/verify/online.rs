//! What only the log can tell of a receipt's statement: all of its entries, judged here once for all receipts.

use acta_client::fold::LogFold;
use acta_client::verified::{ReadError, VerifiedLog};
use decision::ledger::Status;
use tlog::LeafIndex;
use tlog::policy::{Policy, VerifiedCheckpoint};
use tlog::printable::Printable;

use super::super::{CacheArgs, Failure, LogArgs, entries_bar};

/// A log and its ledger.
pub(super) struct Online {
    log: VerifiedLog,
    policy: Policy,
    fold: LogFold,
}

/// What the ledger says of a statement.
#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// The log was right to take it in.
    Admitted(Box<Status>),
    /// The log has no charter, so nobody has said who may issue what.
    NoCharter,
}

impl Online {
    pub(super) async fn open(args: &LogArgs, cache: &CacheArgs) -> Result<Self, Failure> {
        let policy = args.policy()?;
        let log = args.open(cache).await?;
        let bar = entries_bar(log.size().as_u64());
        let origin = log.checkpoint().origin().as_str();
        let kept = cache.folds(origin);
        let fold = kept.as_ref().map_or_else(|| LogFold::new(&policy, origin), |kept| kept.resume(&policy, &log));
        let fold = fold.advance(&log, |_| (), |entries| bar.inc(entries)).await;
        bar.finish_and_clear();
        let fold = fold?;
        if let Some(kept) = &kept {
            kept.keep(&fold, &policy);
        }
        Ok(Online { log, policy, fold })
    }

    /// How many entries the log has.
    pub(super) fn size(&self) -> u64 {
        self.log.size().as_u64()
    }

    /// Shows that the log continues what it was under the receipt's checkpoint; else why the receipt is not good.
    pub(super) async fn continues(&self, checkpoint: &VerifiedCheckpoint) -> Result<Result<(), String>, Failure> {
        let (asked, of) = (self.log.checkpoint().origin(), checkpoint.checkpoint().origin());
        if asked != of {
            return Ok(Err(format!("it is of the log {}, and the one that was asked is {}", Printable(of), Printable(asked))));
        }
        match self.log.extends(checkpoint.checkpoint()).await {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.is_unavailable() => Err(error.into()),
            Err(error) => {
                Ok(Err(format!("the log does not continue what this receipt shows; keep the receipt, it convicts the log: {error}")))
            }
        }
    }

    /// What the ledger says of the statement at `index`; else why the log should not have taken it in.
    pub(super) fn judge(&self, index: u64) -> Result<Result<Judged, String>, Failure> {
        if let Some(status) = self.fold.status(LeafIndex::new(index))? {
            return Ok(Ok(Judged::Admitted(Box::new(status))));
        }
        Ok(match self.fold.misfit(LeafIndex::new(index)) {
            Some(misfit) if misfit.name == "no-charter" => Ok(Judged::NoCharter),
            Some(misfit) => Err(format!("the log has published it, but it does not count: {}", misfit.reason)),
            None => Err("the log has published it, but by the log's own rules it does not count".to_owned()),
        })
    }

    /// When the first head over `index` was first cosigned, in seconds since 1970, if the log shows it.
    pub(super) async fn first_cosigned(&self, index: u64) -> Result<Option<u64>, Failure> {
        let index = LeafIndex::new(index);
        let signed = match self.log.source().head_covering(index).await.map_err(ReadError::from) {
            Ok(Some(signed)) => signed,
            Ok(None) => return Ok(None),
            Err(error) if error.is_unavailable() => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        // A head under which fewer witnesses have signed than the policy wants now, or one that is not the log's, tells nothing.
        let Ok(head) = self.policy.verify(&signed) else { return Ok(None) };
        let covers = head.checkpoint().size().contains(index) && self.log.extends(head.checkpoint()).await.is_ok();
        Ok(earliest(&head).filter(|_| covers))
    }
}

/// The earliest time at which a witness says that it saw this head.
pub(super) fn earliest(head: &VerifiedCheckpoint) -> Option<u64> {
    head.cosignatures().iter().filter_map(|cosigned| cosigned.timestamp()).map(u64::from).min()
}
