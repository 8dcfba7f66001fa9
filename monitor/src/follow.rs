//! Following a log by its own address: look at its newest head, find out how it stands to what was seen, and take in the entries up to it.
//!
//! ```text
//! head ──► signed by the log? quorum? times? ──► heads: does it continue what was read? ──► entries, verified up to it ──► intake: one batch
//! ```
//!
//! Invariant: only entries are taken in that hash up to a head which the log signed and which continues, by a proof or by the entries kept here,
//! everything that was taken in before. Whatever the log does instead is a finding, and looking goes on: a log that lies about one thing is not
//! left alone with the rest.
//!
//! Nothing that a log serves ends the process. An error of the store does, and so does a disk that takes no evidence.

mod conditions;
mod head;
mod intake;
mod place;
mod served;
mod taking;
mod tree;
mod trouble;

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acta_client::source::{Authority, FetchError, Options, Source};
use decision::keys::Keys;
use decision::ledger::Rules;
use jiff::Timestamp;
use tlog::checkpoint::SignedCheckpoint;
use tlog::key::{KeyName, VerifierKey};
use tlog::policy::VerifiedCheckpoint;
use tokio::sync::watch;

use crate::check::Check;
use crate::clock::Clock;
use crate::config::LogSettings;
use crate::evidence::EvidenceError;
use crate::finding::Code;
use crate::heads;
use crate::judge::Ready;
use crate::logs;
use crate::metrics::LogMetrics;
use crate::progress::Progress;
use crate::replay;
use crate::store::{Store, StoreError};
use crate::timeline::{Timeline, head_time};

use conditions::Conditions;
use head::{Policies, Shown};
use intake::{Chunk, IntakeError, Taken};
use place::Placed;
use taking::Bound;

pub(crate) use intake::{Intake, Rejudged};

/// How long a look goes on that may wait. The next one goes on where it came back, under a head that was fetched and judged anew: a log that
/// serves its entries slowly, or without end, is not one look for hours in which it is not noticed that its head is old.
const LOOK_FOR: Duration = Duration::from_secs(300);

/// How often it is written down that a log answers.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// How often the checks look at the clock, at most.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// What a follower works with.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<Store>,
    /// What is looked for in entries.
    pub checks: Arc<[Box<dyn Check>]>,
    /// The directory of files of evidence.
    pub evidence: PathBuf,
    /// Certificate authorities to believe besides the web's.
    pub authorities: Vec<Authority>,
    /// The keys of issuers that were met, of all logs together.
    pub keys: Arc<Keys>,
    /// The time.
    pub clock: Clock,
}

/// Follows one log.
pub struct Follower {
    settings: LogSettings,
    policies: Policies,
    keys: Vec<VerifierKey>,
    source: Source,
    evidence: PathBuf,
    clock: Clock,
    /// `None` while a thread has it.
    intake: Option<Box<Intake>>,
    conditions: Conditions,
    timeline: Timeline,
    progress: Arc<Progress>,
    metrics: LogMetrics,
    /// When the log last answered; before that, when following began.
    answered: Timestamp,
    /// Since when entries cannot be had.
    withheld: Option<Timestamp>,
    /// Since when entries that do not fill a bundle wait for others.
    waiting: Option<Timestamp>,
    /// When the checks last looked at the clock.
    ticked: Option<Timestamp>,
}

/// How a look at a log ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// All that the log shows was taken in.
    Done,
    /// All but entries that do not fill a bundle, and may wait so much longer for others.
    Waiting(Duration),
    /// There is more, and its time was up.
    Unfinished,
    /// Something that the log serves was not accepted; findings say what.
    Refused,
    /// The log, or a part of it, could not be had.
    Unavailable(String),
}

/// A log cannot be followed any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Its address cannot be used.
    #[error(transparent)]
    Setup(#[from] FetchError),
    /// What follows from its entries is not all there.
    #[error("a replay of the log {0} was cut short: run `acta-monitor replay` again, with the configuration of this monitor")]
    HalfReplayed(KeyName),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Evidence could not be kept.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Whether entries that do not fill a bundle are taken in at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// They wait a little for others. A look that takes long comes back before it is done.
    Waits,
    /// All is taken in that is there, however long it takes.
    TakesAll,
}

impl Follower {
    /// Prepares to follow a log. Nothing is fetched yet.
    pub fn new(parts: Parts, settings: LogSettings, progress: Arc<Progress>, metrics: LogMetrics) -> Result<Self, FollowError> {
        let options =
            Options { concurrency: settings.parallel, authorities: parts.authorities, wait: Duration::from_secs(5), ..Options::default() };
        let source = Source::new(&settings.location, &options)?;
        let log = logs::register(&parts.store, &settings.origin)?;
        let keys = settings.policy.log_keys();
        if replay::is_unfinished(&parts.store, log.number)? {
            let name = keys.first().expect("the policy has the log").name();
            return Err(FollowError::HalfReplayed(name.clone()));
        }
        let now = parts.clock.now();
        let mut timeline = Timeline::default();
        if let (Some(head), Some(seen)) = (&log.head, log.head_seen) {
            timeline.saw(head.checkpoint().size().as_u64(), seen);
        }
        progress.at(log.size.as_u64());
        metrics.cursor.set(i64::try_from(log.size.as_u64()).unwrap_or(i64::MAX));
        let rules = Rules::new(&log.origin, keys.clone()).sharing(parts.keys);
        let intake = Intake::new(parts.store, log, rules, parts.checks, parts.clock.clone())?;
        Ok(Follower {
            policies: Policies::new(&settings.policy),
            keys,
            source,
            evidence: parts.evidence,
            clock: parts.clock,
            intake: Some(Box::new(intake)),
            conditions: Conditions::default(),
            timeline,
            progress,
            metrics,
            answered: now,
            withheld: None,
            waiting: None,
            ticked: None,
            settings,
        })
    }

    /// Counts the time for which the log did not answer from when an earlier process had its last answer: for one look at a time.
    #[must_use]
    pub fn since_last_answer(mut self) -> Self {
        self.answered = self.intake().log.answered.unwrap_or(self.answered);
        self
    }

    /// Looks again and again until `shutdown` closes.
    pub async fn run(mut self, mut shutdown: watch::Receiver<()>) -> Result<(), FollowError> {
        loop {
            let begun = tokio::time::Instant::now();
            let look = tokio::select! {
                look = self.look(Patience::Waits) => look?,
                _ = shutdown.changed() => return Ok(()),
            };
            let pause = match look {
                Look::Waiting(rest) => rest.min(self.settings.interval),
                Look::Unfinished => Duration::ZERO,
                _ => self.settings.interval,
            };
            tokio::select! {
                () = tokio::time::sleep_until(begun + pause) => {}
                _ = shutdown.changed() => return Ok(()),
            }
        }
    }

    /// One look: the newest head, and all entries up to it.
    pub async fn look(&mut self, patience: Patience) -> Result<Look, FollowError> {
        let now = self.clock.now();
        self.metrics.looks.inc();
        let signed = match self.source.checkpoint().await {
            Ok(signed) => signed,
            Err(error) => return self.no_head(&error, now),
        };
        let fetched = self.clock.now();
        self.has_answered(now);
        let Some(shown) = self.policies.verify(&signed, &mut self.conditions) else {
            self.say()?;
            return Ok(Look::Refused);
        };
        let before = self.intake().log.head.clone();
        let is_new = before.as_ref().is_none_or(|before| before.checkpoint() != shown.head.checkpoint());
        let standing = if is_new { self.place(&shown, before.as_ref(), now).await? } else { Placed::Continues };
        self.judge_head(&shown, before.as_ref(), standing, now..=fetched)?;
        match standing {
            Placed::Continues => {}
            Placed::Refused => return Ok(Look::Refused),
            Placed::Unknown => {
                let look = self.withheld("what shows that its head continues the one before could not be fetched");
                self.say()?;
                return Ok(look);
            }
        }
        if before.is_some_and(|before| before.checkpoint().size() > shown.head.checkpoint().size()) {
            return Ok(Look::Refused);
        }
        if self.settings.require_quorum && !shown.has_quorum {
            return Ok(Look::Refused);
        }
        let look = self.take_up_to(&shown.head, patience, now).await?;
        if look == Look::Done {
            self.tick(now).await?;
        }
        Ok(look)
    }

    /// What the log looks like from here.
    pub fn log(&self) -> &logs::LogState {
        &self.intake().log
    }

    fn no_head(&mut self, error: &acta_client::source::SourceError, now: Timestamp) -> Result<Look, FollowError> {
        if head::is_wrong(error, &mut self.conditions) {
            self.has_answered(now);
            self.say()?;
            return Ok(Look::Refused);
        }
        self.metrics.unanswered.inc();
        let why = error.to_string();
        if head::is_longer(self.answered, now, self.settings.unreachable_after) {
            let text = format!("The log has not answered since {}: {why}.", self.answered);
            self.conditions.is(Code::LOG_UNREACHABLE, "head", text);
        }
        self.say()?;
        Ok(Look::Unavailable(why))
    }

    fn has_answered(&mut self, now: Timestamp) {
        self.answered = now;
        self.conditions.is_not(Code::LOG_UNREACHABLE, "head");
    }

    /// Says what is wrong with the head, and writes it down if it is the newest. `asked` is from when it was asked for to when it was there.
    fn judge_head(
        &mut self,
        shown: &Shown,
        before: Option<&SignedCheckpoint>,
        placed: Placed,
        asked: RangeInclusive<Timestamp>,
    ) -> Result<(), FollowError> {
        let now = *asked.start();
        let size = shown.head.checkpoint().size();
        match before.map(|before| before.checkpoint().size()).filter(|before| *before > size) {
            Some(before) => {
                let text = format!("The log shows a head of {size} entries, and showed one of {before} before.");
                self.conditions.is(Code::LOG_ROLLBACK, "head", text);
            }
            None => self.conditions.is_not(Code::LOG_ROLLBACK, "head"),
        }
        let is_newest = placed == Placed::Continues && before.is_none_or(|before| before.checkpoint().size() <= size);
        let is_same = before.is_some_and(|before| before.checkpoint() == shown.head.checkpoint());
        let seen = if is_same { self.log().head_seen.unwrap_or(now) } else { now };
        head::judge(&self.settings, shown, seen, asked, &mut self.conditions);
        let mut missing = self.log().missing.clone();
        if shown.has_quorum {
            trouble::missing_witnesses(&self.settings, shown, &mut missing, now, &mut self.conditions);
        }
        if is_newest {
            if let Some(before) = before {
                self.timeline.saw(before.checkpoint().size().as_u64(), self.log().answered.unwrap_or(now).min(now));
            }
            self.timeline.saw(size.as_u64(), head_time(&self.settings.policy, &shown.head, now));
            self.metrics.size.set(i64::try_from(size.as_u64()).unwrap_or(i64::MAX));
        }
        let long_ago = self.log().answered.is_none_or(|answered| head::is_longer(answered, now, NOTE_EVERY));
        let is_news = is_newest && !is_same;
        if !(is_news || long_ago || self.conditions.has_news() || missing != self.log().missing) {
            return Ok(());
        }
        let (signed, out) = (shown.head.signed().clone(), self.conditions.take());
        let opened = self.intake_mut().note(
            |log, txn| {
                // A head that is shown again after a smaller one is not noted again, and it is what the log shows now.
                heads::show(txn, log.number, size, now, &heads::Source::Log);
                (log.answered, log.missing) = (Some(now), missing);
                if is_newest {
                    (log.head, log.head_seen) = (Some(signed), Some(seen));
                }
                Ok(())
            },
            out,
        )?;
        self.metrics.opened(opened);
        Ok(())
    }

    /// Takes in the entries up to a head that continues what was taken in.
    async fn take_up_to(&mut self, head: &VerifiedCheckpoint, patience: Patience, now: Timestamp) -> Result<Look, FollowError> {
        let (size, cursor) = (head.checkpoint().size().as_u64(), self.log().size.as_u64());
        let whole = size / 256 * 256;
        let mut rest = Duration::ZERO;
        if patience == Patience::Waits && size > whole.max(cursor) {
            let since = *self.waiting.get_or_insert(now);
            rest = self.settings.partial_delay.saturating_sub(Duration::try_from(now.duration_since(since)).unwrap_or_default());
        }
        let target = if rest.is_zero() { size } else { whole };
        if rest.is_zero() {
            self.waiting = None;
        }
        self.progress.to(target);
        if target > cursor
            && let Err(why) = self.take(head, cursor..target, Bound::of(patience, now)).await?
        {
            self.say()?;
            return Ok(why);
        }
        self.withheld = None;
        for code in [Code::LOG_WRONG_BYTES, Code::LOG_MALFORMED_BUNDLE, Code::LOG_UNREACHABLE] {
            self.conditions.is_not(code, "entries");
        }
        self.say()?;
        Ok(if rest.is_zero() { Look::Done } else { Look::Waiting(rest) })
    }

    /// When the entries of a range were published.
    async fn published(&mut self, range: Range<u64>) -> Vec<(u64, crate::check::Published)> {
        let now = self.clock.now();
        if self.intake_mut().wants_times() {
            let policy = self.policies.without_quorum();
            self.timeline.forget_before(range.start);
            self.timeline.refine(&self.source, policy, range.clone(), now).await;
        }
        self.timeline.runs(range, now)
    }

    /// Gives the chunk to a thread for costly work. `Err` inside: it was not taken in, and nothing was written.
    async fn take_chunk(&mut self, chunk: Chunk, ready: Option<Ready>) -> Result<Result<(), IntakeError>, FollowError> {
        let taken = self.on_thread(move |intake| intake.take(&chunk, ready)).await;
        let Taken { entries, opened } = match taken {
            Ok(taken) => taken,
            Err(IntakeError::Store(error)) => return Err(error.into()),
            Err(error) => return Ok(Err(error)),
        };
        self.progress.at(self.log().size.as_u64());
        self.metrics.entries.inc_by(entries);
        self.metrics.opened(opened);
        self.metrics.cursor.set(i64::try_from(self.log().size.as_u64()).unwrap_or(i64::MAX));
        Ok(Ok(()))
    }

    /// Lets the checks look at the clock: all that the log showed at this time is read.
    async fn tick(&mut self, now: Timestamp) -> Result<(), FollowError> {
        if self.ticked.is_some_and(|ticked| !head::is_longer(ticked, now, TICK_EVERY)) {
            return Ok(());
        }
        self.ticked = Some(now);
        let opened = self.on_thread(move |intake| intake.tick(now)).await?;
        self.metrics.opened(opened);
        Ok(())
    }

    /// Writes down what is new about the log itself.
    fn say(&mut self) -> Result<(), FollowError> {
        if self.conditions.has_news() {
            let out = self.conditions.take();
            let opened = self.intake_mut().note(|_, _| Ok(()), out)?;
            self.metrics.opened(opened);
        }
        Ok(())
    }

    async fn on_thread<T: Send + 'static>(&mut self, work: impl FnOnce(&mut Intake) -> T + Send + 'static) -> T {
        let mut intake = self.intake.take().expect("it is given back below");
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut intake);
            (intake, done)
        });
        let (intake, done) = done.await.expect("taking entries in does not panic and is not cancelled");
        self.intake = Some(intake);
        done
    }

    fn intake(&self) -> &Intake {
        self.intake.as_ref().expect("no thread has it while the follower itself runs")
    }

    fn intake_mut(&mut self) -> &mut Intake {
        self.intake.as_mut().expect("no thread has it while the follower itself runs")
    }
}

#[cfg(test)]
mod tests;
