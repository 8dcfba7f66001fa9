//! What others are shown of the logs that are followed: by their witnesses, by other monitors, at other addresses, and in receipts.
//!
//! Whoever reads a log at one address sees one history. A log that has two of them shows each to somebody, and is found out only where the
//! two meet. So at an interval everybody who sees the log is asked for the head that they saw last, and each is weighed against what this
//! monitor read ([`crate::heads`]).
//!
//! Invariant: a head counts only with the log's own signature. A head without it says nothing against the log, whoever shows it; it is
//! counted and logged, so that nobody can have a log suspected.
//!
//! | what is seen | what it becomes |
//! |---|---|
//! | two roots of one size, or a part that differs | a file that convicts, and `log.fork` or `log.same-size-other-root` |
//! | a head that what the log serves does not fit, or not for long | the pair in a file, and `log.unproven-inconsistency` |
//! | fewer entries at the log's own address than somebody saw, for long | `log.rollback` |
//! | a receipt for an entry that is not there | what convicts, and `log.receipt-not-included` |

mod ask;
mod metrics;
mod receipts;
mod rollback;
mod section;
#[cfg(test)]
mod tests;
mod weigh;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acta_client::source::{Authority, FetchError, Options, Source as Place};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tlog::printable::Printable;
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::Clock;
use crate::config::{Config, LogSettings};
use crate::evidence::EvidenceError;
use crate::heads::{self, LogHead, Source};
use crate::logs;
use crate::state_dir::StateDir;
use crate::store::{Store, StoreError};
use ask::{NoHead, View};
use metrics::Answer;

pub use metrics::Metrics;
pub use receipts::{Audited, NotAudited, audit_receipt, hand_over};
pub use section::{Section, Settings, SettingsError};

/// How many are asked at the same time about one log.
const AT_ONCE: usize = 8;

/// From one look at what was written to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// What is needed to look at views.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What is known.
    pub store: Arc<Store>,
    /// Where evidence is kept.
    pub evidence: PathBuf,
    /// Where receipts are handed over.
    pub receipts: PathBuf,
    /// Whom to ask.
    pub settings: Settings,
    /// The logs.
    pub logs: Vec<LogSettings>,
    /// Certificate authorities to believe besides the web's.
    pub authorities: Vec<Authority>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// Looking at views ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Setup(#[from] FetchError),
    /// Evidence could not be kept.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Everything about views of the followed logs.
#[derive(Debug)]
pub struct Views {
    parts: Parts,
    logs: Vec<(LogSettings, Vec<View>)>,
    /// Each log at its own address, in the same order.
    places: Vec<Place>,
    /// Where the next round of asking again begins.
    turn: AtomicUsize,
    /// What could not be kept: that is no reason to leave everything else alone.
    unkept: Mutex<Option<EvidenceError>>,
    /// What each view last said that was no head, so that a message is printed once.
    said: Mutex<HashMap<(String, Source), String>>,
}

/// Looks at views until `shutdown` closes. Evidence that cannot be kept does not end it: that is tried again.
pub async fn run(parts: Parts, mut shutdown: watch::Receiver<()>) -> Result<(), ViewsError> {
    let views = Views::new(parts)?;
    // Whoever is asked may be slow. What is stored is looked at meanwhile.
    let work = async { tokio::try_join!(views.keep_asking(), views.keep_settling()) };
    tokio::select! {
        // Each step is one batch, so that it can be left at any time.
        _ = shutdown.changed() => Ok(()),
        ended = work => ended.map(|_| ()),
    }
}

/// The newest head of a log to show to other monitors; `None` if there is none yet.
pub fn gossip(store: &Store, log: u32) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(heads::newest(&heads::all(store, log)?).map(|seen| seen.head.signed().to_bytes()))
}

impl Parts {
    /// As the configuration says.
    pub fn new(config: &Config, dir: &StateDir, store: Arc<Store>, clock: Clock, metrics: Metrics) -> Self {
        Parts {
            store,
            evidence: dir.evidence(),
            receipts: dir.receipts(),
            settings: config.gossip.clone(),
            logs: config.logs.clone(),
            authorities: config.authorities.clone(),
            clock,
            metrics,
        }
    }
}

impl Views {
    /// Prepares to ask. Nothing is sent yet.
    pub fn new(parts: Parts) -> Result<Self, ViewsError> {
        let (timeout, authorities) = (parts.settings.timeout, parts.authorities.clone());
        let options = Options { wait: Duration::ZERO, idle: timeout, timeout, concurrency: 4, authorities };
        let of = |log: LogSettings| View::of(&log, &parts.settings, &options).map(|views| (log, views));
        let logs = parts.logs.iter().cloned().map(of).collect::<Result<_, _>>()?;
        let places = parts.logs.iter().map(|log| Place::new(&log.location, &options)).collect::<Result<_, _>>()?;
        Ok(Views { parts, logs, places, turn: AtomicUsize::default(), unkept: Mutex::default(), said: Mutex::default() })
    }

    /// Asks everybody once about each log, and decides what can be decided.
    pub async fn round(&self) -> Result<(), ViewsError> {
        self.take_receipts().await?;
        // One log may be as slow as it likes; it holds up itself.
        let mut rounds: FuturesUnordered<_> = self.logs.iter().map(|(log, views)| self.round_of(log, views)).collect();
        while let Some(done) = rounds.next().await {
            done?;
        }
        self.all_kept()
    }

    /// As [`Views::round`], for one log. Nothing is done about one that is not followed.
    pub async fn look(&self, origin: &str) -> Result<(), ViewsError> {
        for (log, views) in self.logs.iter().filter(|(log, _)| log.origin == origin) {
            self.round_of(log, views).await?;
        }
        self.all_kept()
    }

    async fn keep_asking(&self) -> Result<(), ViewsError> {
        let mut rounds = interval(self.parts.settings.interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            go_on(self.round().await)?;
        }
    }

    async fn keep_settling(&self) -> Result<(), ViewsError> {
        let mut written = self.parts.store.watch();
        // The sender is in the store, which lives as long as this.
        while written.changed().await.is_ok() {
            go_on(self.settle().await)?;
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn round_of(&self, log: &LogSettings, views: &[View]) -> Result<(), ViewsError> {
        let at_once = Semaphore::new(AT_ONCE);
        let mut answers = FuturesUnordered::new();
        for view in views {
            let turn = at_once.acquire();
            answers.push(async move {
                let _turn = turn.await;
                (view, view.ask(log).await)
            });
        }
        while let Some((view, answer)) = answers.next().await {
            self.answered(log, view, answer).await?;
        }
        self.settle_log(log).await?;
        self.ask_again(log).await
    }

    /// What could not be kept since this was asked last.
    fn all_kept(&self) -> Result<(), ViewsError> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), |error| Err(error.into()))
    }

    async fn answered(&self, log: &LogSettings, view: &View, answer: Result<LogHead, NoHead>) -> Result<(), ViewsError> {
        let counted = match answer {
            Ok(head) => {
                self.heard(log, view, None);
                let noted = self.take(log, head, view.source.clone(), Some(&view.place)).await?;
                if noted == heads::Noted::New { Answer::New } else { Answer::Known }
            }
            Err(NoHead::None) => Answer::Nothing,
            // A mirror serves one log, and is asked about each.
            Err(NoHead::NotTheLogs(_)) if matches!(view.source, Source::Mirror(_)) && self.logs.len() > 1 => Answer::Nothing,
            Err(error) => {
                let counted = if error.is_a_lie() { Answer::Refused } else { Answer::Unavailable };
                self.heard(log, view, Some(&error));
                counted
            }
        };
        self.parts.metrics.asked(view.kind(), counted);
        Ok(())
    }

    /// Prints what is new about somebody who shows no head.
    fn heard(&self, log: &LogSettings, view: &View, error: Option<&NoHead>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (log.origin.clone(), view.source.clone());
        let Some(error) = error else {
            if said.remove(&key).is_some() {
                tracing::info!("there is a head of {} again {}", Printable(&log.origin), Printable(view.source.in_words()));
            }
            return;
        };
        let text = error.to_string();
        if said.get(&key) != Some(&text) {
            tracing::warn!("no head of {} {}: {}", Printable(&log.origin), Printable(view.source.in_words()), Printable(&text));
            said.insert(key, text);
        }
    }

    fn own_place(&self, log: &LogSettings) -> Option<&Place> {
        self.parts.logs.iter().zip(&self.places).find(|(known, _)| known.origin == log.origin).map(|(_, place)| place)
    }

    /// The number of a log; it gets one when it is first looked at.
    fn number(&self, log: &LogSettings) -> Result<u32, StoreError> {
        let known = logs::by_origin(&self.parts.store, &log.origin)?;
        Ok(known.map_or_else(|| logs::register(&self.parts.store, &log.origin), Ok)?.number)
    }
}

/// Says what could not be kept, which is tried again. Everything else ends it.
fn go_on(done: Result<(), ViewsError>) -> Result<(), ViewsError> {
    match done {
        Err(ViewsError::Evidence(error)) => {
            tracing::error!("{error}");
            Ok(())
        }
        done => done,
    }
}
