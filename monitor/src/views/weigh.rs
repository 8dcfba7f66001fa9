//! Weighing a head: by what is stored, and where that does not decide, by what the log serves.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use acta_client::source::Source as Place;
use acta_client::verified::VerifiedLog;
use jiff::Timestamp;
use tlog::checkpoint::SignedCheckpoint;
use tlog::printable::Printable;
use tokio::time::timeout;

use super::{Views, ViewsError};
use crate::check::Outcome;
use crate::config::LogSettings;
use crate::finding::{Code, Raised};
use crate::findings;
use crate::heads::{self, Comparison, LogHead, Noted, SeenHead, Source, Standing, Waits};
use crate::history::History;
use crate::logs::{self, LogState};
use crate::store::StoreError;

/// With how many heads beyond what was read one is compared.
const COMPARED_WITH: usize = 4;

/// How many heads of a log are asked about in one round. Each may take some requests.
const ASKED_PER_ROUND: usize = 8;

impl Views {
    /// Notes a head that somebody showed, and weighs it if it is not known yet how it stands. `place` is where its log may be read as that
    /// somebody sees it, if it can be.
    pub(super) async fn take(&self, log: &LogSettings, head: LogHead, source: Source, place: Option<&Place>) -> Result<Noted, ViewsError> {
        let (number, now) = (self.number(log)?, self.parts.clock.now());
        let future = dated_ahead(log, &head, &source, now);
        let noted = self.parts.store.write(|txn| {
            findings::record(txn, &log.origin, now, future)?;
            heads::note(txn, number, &head, now, &source)
        })?;
        if matches!(noted, Noted::Known(standing) if standing != Standing::Pending) {
            return Ok(noted);
        }
        let seen = SeenHead {
            head,
            standing: Standing::Pending,
            sightings: vec![heads::Sighting { source, first: now }],
            waits: Waits::default(),
        };
        if !self.weigh_by_store(log, number, &seen).await? {
            let mirror = place.filter(|_| matches!(seen.sightings[0].source, Source::Mirror(_)));
            self.weigh_by_log(log, number, &seen, mirror).await?;
        }
        Ok(noted)
    }

    /// Decides what can be decided by what is stored: after more entries were taken in.
    pub(super) async fn settle(&self) -> Result<(), ViewsError> {
        for (log, _) in &self.logs {
            self.settle_log(log).await?;
        }
        self.all_kept()
    }

    pub(super) async fn settle_log(&self, log: &LogSettings) -> Result<(), ViewsError> {
        let number = self.number(log)?;
        let Some(state) = logs::by_number(&self.parts.store, number)? else { return Ok(()) };
        let mut unsettled = heads::all(&self.parts.store, number)?;
        unsettled.retain(|seen| seen.standing.is_unsettled());
        let mut open = unsettled.len();
        // The largest first: it takes a followed head of at least its size to convict another.
        for seen in unsettled.iter().rev().filter(|seen| seen.head.checkpoint().size() <= state.size) {
            open -= usize::from(self.weigh_by_store(log, number, seen).await?);
        }
        self.parts.metrics.unsettled(&log.origin, open);
        Ok(self.look_for_rollback(log, number)?)
    }

    /// Asks the log about heads that are still open, some at a time.
    pub(super) async fn ask_again(&self, log: &LogSettings) -> Result<(), ViewsError> {
        let number = self.number(log)?;
        let mut open = heads::all(&self.parts.store, number)?;
        open.retain(|seen| matches!(seen.standing, Standing::Pending | Standing::Unproven));
        let begin = self.turn.fetch_add(ASKED_PER_ROUND, Ordering::Relaxed).checked_rem(open.len()).unwrap_or(0);
        for seen in open.iter().cycle().skip(begin).take(ASKED_PER_ROUND.min(open.len())) {
            self.weigh_by_log(log, number, seen, None).await?;
        }
        Ok(())
    }

    /// Weighs by what is stored. Whether that decided.
    async fn weigh_by_store(&self, log: &LogSettings, number: u32, seen: &SeenHead) -> Result<bool, ViewsError> {
        let (parts, log, seen) = (self.parts.clone(), log.clone(), seen.clone());
        // It reads and hashes as many entries as were not hashed for this before.
        let weighing = tokio::task::spawn_blocking(move || {
            let Some(state) = logs::by_number(&parts.store, number)? else { return Ok(false) };
            let history = History::new(&parts.store, number, state.size);
            let (head, now) = (seen.head.checkpoint(), parts.clock.now());
            let known = heads::all(&parts.store, number)?;
            let comparison = heads::judge(&history, &known, &seen.head, &log.policy.log_keys())?;
            let decided = !matches!(comparison, Comparison::Behind { .. });
            let mut out = Outcome::default();
            let mut standing = Standing::Pending;
            if decided {
                let earlier = known.iter().rev().find(|known| known.head != seen.head).map_or(&seen.head, |known| &known.head);
                for source in sources(&seen) {
                    standing = heads::report(&parts.evidence, &comparison, earlier.signed(), seen.head.signed(), source, now, &mut out)?;
                }
                if history.root_at(head.size())? == Some(*head.root()) {
                    standing = Standing::Followed;
                }
            }
            if decided || history.has_computed() {
                parts.store.write(|txn| {
                    history.keep(txn);
                    if decided {
                        heads::settle(txn, number, head, standing)?;
                        findings::record(txn, &log.origin, now, out)?;
                    }
                    Ok::<_, StoreError>(())
                })?;
            }
            Ok(decided)
        });
        self.kept(weighing.await.expect("weighing does not panic and is not cancelled"), false)
    }

    /// Weighs by what is served: under the larger one of this head and the newest that the log showed, the smaller one is the beginning.
    async fn weigh_by_log(&self, log: &LogSettings, number: u32, seen: &SeenHead, mirror: Option<&Place>) -> Result<(), ViewsError> {
        let Some(LogState { head: Some(newest), .. }) = logs::by_number(&self.parts.store, number)? else { return Ok(()) };
        let mut compared = None;
        for place in mirror.into_iter().chain(self.own_place(log)) {
            // Each request is bounded in time; all of them together are too.
            compared = match timeout(self.parts.settings.timeout, self.compare_at(place, log, number, seen, &newest)).await {
                Ok(compared) => Some(compared?),
                Err(_) => None,
            };
            if !matches!(compared, None | Some(Comparison::Unavailable(_) | Comparison::Unproven(_))) {
                break;
            }
        }
        let now = self.parts.clock.now();
        let comparison = match compared {
            // Once a doubt is told, telling it again with each newer head says nothing new.
            None | Some(Comparison::Unproven(_) | Comparison::Unavailable(_)) if seen.standing == Standing::Unproven => return Ok(()),
            Some(Comparison::Unavailable(error)) if self.is_withheld(number, seen, &newest, now)? => {
                Comparison::Unproven(error.to_string())
            }
            None if self.is_withheld(number, seen, &newest, now)? => {
                Comparison::Unproven("it does not send in time what would show it".to_owned())
            }
            None => return Ok(()),
            Some(other) => other,
        };
        let told = self.tell(log, number, seen, &newest, &comparison, now);
        self.kept(told, ())
    }

    /// Puts what follows from a comparison into the store, unless what was stored meanwhile has decided it.
    fn tell(
        &self,
        log: &LogSettings,
        number: u32,
        seen: &SeenHead,
        newest: &SignedCheckpoint,
        comparison: &Comparison,
        now: Timestamp,
    ) -> Result<(), ViewsError> {
        let mut out = Outcome::default();
        let mut standing = seen.standing;
        for source in sources(seen) {
            standing = heads::report(&self.parts.evidence, comparison, newest, seen.head.signed(), source, now, &mut out)?;
        }
        if standing == Standing::Pending {
            return Ok(());
        }
        self.parts.store.write(|txn| {
            if heads::standing(txn, number, seen.head.checkpoint())?.is_some_and(Standing::is_unsettled) {
                heads::settle(txn, number, seen.head.checkpoint(), standing)?;
                findings::record(txn, &log.origin, now, out)?;
            }
            Ok(())
        })
    }

    /// Sets evidence that could not be kept aside: its head stays open, and is weighed again.
    fn kept<T>(&self, done: Result<T, ViewsError>, otherwise: T) -> Result<T, ViewsError> {
        match done {
            Err(ViewsError::Evidence(error)) => {
                *self.unkept.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(otherwise)
            }
            done => done,
        }
    }

    /// Compares with the newest head, and, as far as that says nothing against it, with those beyond what was read that continue it too: two
    /// histories may begin to differ only after the newest head.
    async fn compare_at(
        &self,
        place: &Place,
        log: &LogSettings,
        number: u32,
        seen: &SeenHead,
        newest: &SignedCheckpoint,
    ) -> Result<Comparison, ViewsError> {
        let comparison = compare_two(place, log, seen, newest).await;
        if !matches!(comparison, Comparison::Consistent) {
            return Ok(comparison);
        }
        let mut others = heads::all(&self.parts.store, number)?;
        others.retain(|other| other.standing == Standing::Continues && other.head.checkpoint().size() < seen.head.checkpoint().size());
        for other in others.iter().rev().take(COMPARED_WITH) {
            let compared = compare_two(place, log, seen, other.head.signed()).await;
            if matches!(compared, Comparison::Convicts(_)) {
                return Ok(compared);
            }
        }
        Ok(comparison)
    }

    /// Whoever hides a fork can withhold the proof of it. A head that is larger than all that the log shows is no doubt but a rollback, and
    /// how long it was larger does not count here.
    fn is_withheld(&self, number: u32, seen: &SeenHead, newest: &SignedCheckpoint, now: Timestamp) -> Result<bool, StoreError> {
        let head = seen.head.checkpoint();
        if head.size() > newest.checkpoint().size() {
            return Ok(false);
        }
        let since = match seen.waits.withheld {
            Some(since) => since,
            None => self.parts.store.write(|txn| heads::withheld(txn, number, head, now))?,
        };
        Ok(Duration::try_from(now.duration_since(since)).unwrap_or_default() >= self.parts.settings.unproven_after)
    }
}

/// Of whom it is to be told: each receipt, since each is a finding of its own, or whoever showed the head first.
fn sources(seen: &SeenHead) -> impl Iterator<Item = &Source> {
    let receipts = seen.sightings.iter().filter(|sighting| matches!(sighting.source, Source::Receipt { .. }));
    let first = seen.sightings.first().filter(|first| !matches!(first.source, Source::Receipt { .. }));
    first.into_iter().chain(receipts).map(|sighting| &sighting.source)
}

/// Whether a witness dates its signature ahead of this machine's clock.
fn dated_ahead(log: &LogSettings, head: &LogHead, source: &Source, now: Timestamp) -> Outcome {
    let mut out = Outcome::default();
    // A receipt is as old as it is; who shows heads is asked again.
    if matches!(source, Source::Receipt { .. }) {
        return out;
    }
    let verified = log.policy.without_quorum().verify(head.signed());
    for cosigned in verified.iter().flat_map(|verified| verified.cosignatures()) {
        let time = cosigned.timestamp().and_then(|seconds| Timestamp::from_second(i64::try_from(seconds.get()).ok()?).ok());
        let (witness, subject) = (Printable(cosigned.witness()), format!("{} {source}", cosigned.witness()));
        // A time that no clock can show is ahead of every clock.
        let ahead = time.is_none_or(|time| Duration::try_from(time.duration_since(now)).is_ok_and(|ahead| ahead > log.future_tolerance));
        if ahead && cosigned.timestamp().is_some() {
            let time = time.map_or_else(|| "beyond the year 9999".to_owned(), |time| time.to_string());
            let text = format!("The witness {witness} dates its signature {time}; here it is {now}. It was seen {}.", source.in_words());
            out.raise(Raised::new(Code::LOG_FUTURE_HEAD, witness.to_string(), subject, text));
        } else {
            out.clear(Code::LOG_FUTURE_HEAD, subject);
        }
    }
    out
}

async fn compare_two(place: &Place, log: &LogSettings, seen: &SeenHead, newest: &SignedCheckpoint) -> Comparison {
    let head = seen.head.signed();
    let (larger, smaller) = if head.checkpoint().size() >= newest.checkpoint().size() { (head, newest) } else { (newest, head) };
    // A witness's line that does not fit is no reason to leave a head of the log out.
    let verified = LogHead::verify(larger, &log.policy).map(|head| log.policy.without_quorum().verify(head.signed()));
    match verified {
        Ok(Ok(larger)) => heads::compare(&VerifiedLog::at(place.clone(), larger), smaller, &log.policy.log_keys()).await,
        // The newest head is of before the log's key changed in the policy.
        Ok(Err(error)) => Comparison::Unproven(error.to_string()),
        Err(error) => Comparison::Unproven(error.to_string()),
    }
}
