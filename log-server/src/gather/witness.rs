//! The task that asks one witness, over and over.

use std::sync::Arc;
use std::time::Duration;

use tlog::TreeSize;
use tlog::note::Signature;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::conversation::{Conversation, NotCosigned};
use super::metrics::Reason;
use super::transport::Transport;
use crate::head::Head;
use crate::store::Store;

/// After a failure a witness is left alone for this long, and twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// It is asked again at least this often, so that one that came back is not missed for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a witness can ask to be left alone. What it asks for more is too long for a log that waits for it.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// What came of asking one witness for one head.
#[derive(Debug)]
pub(super) struct Report {
    /// Which partner.
    pub(super) partner: usize,
    pub(super) head: Arc<Head>,
    /// Its verified lines, or why there are none.
    pub(super) outcome: Result<Vec<Signature>, NotCosigned>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Asker<S, T> {
    shared: Arc<Shared<S, T>>,
    number: usize,
    target: watch::Receiver<Arc<Head>>,
    reports: mpsc::UnboundedSender<Report>,
    /// The size that the witness cosigned last, as far as is known. Nothing is known at start, and it tells.
    old: TreeSize,
    /// Failures since the last success.
    failures: u32,
    /// How long it wanted to be left alone, when it was asked last.
    wish: Duration,
}

impl<S: Store, T: Transport> Asker<S, T> {
    pub(super) fn new(
        shared: Arc<Shared<S, T>>,
        number: usize,
        target: watch::Receiver<Arc<Head>>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        Asker { shared, number, target, reports, old: TreeSize::ZERO, failures: 0, wish: Duration::ZERO }
    }

    /// Asks until nobody wants to know any more.
    pub(super) async fn run(mut self) {
        let mut done: Option<TreeSize> = None;
        loop {
            if self.target.wait_for(|head| done != Some(head.size())).await.is_err() {
                return;
            }
            let head = Arc::clone(&self.target.borrow_and_update());
            let began = Instant::now();
            let outcome = self.ask(&head).await;
            let pause = match &outcome {
                Ok(_) => {
                    done = Some(head.size());
                    self.failures = 0;
                    Duration::ZERO
                }
                Err(_) => self.pause().max(self.wish),
            };
            if self.reports.send(Report { partner: self.number, head, outcome }).is_err() {
                return;
            }
            sleep_until((began + self.shared.gathering.options.min_interval).max(Instant::now() + pause)).await;
        }
    }

    async fn ask(&mut self, head: &Head) -> Result<Vec<Signature>, NotCosigned> {
        let shared = Arc::clone(&self.shared);
        let partner = &shared.partners[self.number];
        let began = Instant::now();
        let mut conversation = Conversation { shared: &shared, partner, old: &mut self.old, retry_after: None };
        let outcome = timeout(shared.gathering.options.deadline, conversation.cosign(head)).await;
        self.wish = conversation.retry_after.unwrap_or_default().min(LONGEST_WISH);
        let outcome = outcome.unwrap_or(Err(Reason::TimedOut.into()));
        let (metrics, now) = (&shared.gathering.metrics, shared.gathering.clock.now());
        match &outcome {
            Ok(_) => {
                metrics.cosigned(&partner.name, head.size(), now, began.elapsed());
                shared.standings.cosigned(self.number, now, head.size());
            }
            Err(NotCosigned::Inconclusive(reason)) => {
                metrics.failed(&partner.name, *reason);
                shared.standings.failed(self.number, *reason);
            }
            Err(NotCosigned::OtherHistory(_) | NotCosigned::Store(_)) => {} // the process ends, and says why
        }
        outcome
    }

    fn pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        pause
    }
}
