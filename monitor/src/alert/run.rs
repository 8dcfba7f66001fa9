//! The alerter: it groups what happened, and has a task for each channel.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::delivery::{Channel, Delivery, Requests, Tried, give_up_strangers};
use super::grouping::Grouping;
use super::mail::{self, MailError, Mailer};
use super::settings::{MAIL, Webhook};
use super::{Metrics, MuteDir, Mutes, Settings, rows};
use crate::clock::Clock;
use crate::findings::{self, encode};
use crate::store::{Family, Store, StoreError};

/// Between two looks at the clock, at mutes, and at what people ask for.
const LOOK: Duration = Duration::from_secs(1);

/// How long a try that has begun may take when the monitor is told to stop. A longer one is repeated after the next start.
const LAST_TRY: Duration = Duration::from_secs(3);

/// What an alerter needs.
#[derive(Debug)]
pub struct Parts {
    /// Where events come from, and where everything is kept.
    pub store: Arc<Store>,
    /// How alerts are sent.
    pub settings: Settings,
    /// The state directory, for mutes and requests.
    pub state: PathBuf,
    /// Filled with the mutes that there are.
    pub mutes: Mutes,
    /// Its instruments.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: Clock,
}

/// The alerter did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Mail cannot be set up.
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// How a channel's messages leave.
#[derive(Debug)]
pub(super) enum Transport {
    Webhook(Box<Webhook>),
    Mail(Box<Mailer>),
}

/// Groups findings into alerts and delivers them until `shutdown` closes. Returns early, with the error, when the store fails.
pub async fn run(parts: Parts, mut shutdown: watch::Receiver<()>) -> Result<(), AlertError> {
    let now = parts.clock.now();
    identify(&parts.store)?;
    let channels = channels(&parts)?;
    let all: Vec<Arc<Channel>> = channels.iter().map(|(channel, _)| Arc::clone(channel)).collect();
    give_up_strangers(&parts.store, &all, now)?;
    let mut couriers = JoinSet::new();
    for (channel, transport) in channels {
        let courier = Courier { store: Arc::clone(&parts.store), channel, transport, clock: parts.clock.clone() };
        couriers.spawn(courier.run(shutdown.clone()));
    }
    let ended = tokio::select! {
        ended = group(&parts, all, &mut shutdown) => ended,
        // Each ends by itself when it is told to, so an end before that is an error.
        Some(ended) = couriers.join_next() => joined(ended),
    };
    let last = async {
        while let Some(ended) = couriers.join_next().await {
            joined(ended)?;
        }
        Ok(())
    };
    let last = if ended.is_ok() { timeout(LAST_TRY, last).await.unwrap_or(Ok(())) } else { Ok(()) };
    ended.and(last).map_err(AlertError::from)
}

/// Gives the state directory a name of its own, if it has none.
fn identify(store: &Store) -> Result<(), StoreError> {
    if rows::get::<String>(store, rows::IDENTITY)?.is_none() {
        let mut random = [0; 16];
        // Without randomness, a time is unique enough for a feed's name.
        if SystemRandom::new().fill(&mut random).is_err() {
            random = Timestamp::now().as_nanosecond().to_be_bytes();
        }
        let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        store.write(|txn| {
            txn.put(Family::Alerts, rows::IDENTITY.to_vec(), encode(&text));
            txn.sync();
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(())
}

fn joined(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), StoreError> {
    match ended {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

fn channels(parts: &Parts) -> Result<Vec<(Arc<Channel>, Transport)>, AlertError> {
    let (settings, mut channels) = (&parts.settings, Vec::new());
    for webhook in &settings.webhooks {
        let bounds = (webhook.patience, Duration::ZERO);
        let channel = Channel::open(&parts.store, &webhook.name, webhook.min_severity, bounds, &parts.metrics)?;
        channels.push((channel, Transport::Webhook(Box::new(webhook.clone()))));
    }
    if let Some(mail) = &settings.mail {
        let channel = Channel::open(&parts.store, MAIL, mail.min_severity, (mail.patience, mail.pause), &parts.metrics)?;
        let mailer = Mailer::new(mail, &settings.authorities, settings.url.clone())?;
        channels.push((channel, Transport::Mail(Box::new(mailer))));
    }
    Ok(channels)
}

/// Takes account of what happens, as it happens.
async fn group(parts: &Parts, channels: Vec<Arc<Channel>>, shutdown: &mut watch::Receiver<()>) -> Result<(), StoreError> {
    let mut written = parts.store.watch();
    let (settings, mutes) = (&parts.settings, MuteDir::of(&parts.state));
    let requests = Requests::of(&parts.state);
    let bounds = (settings.gather, settings.burst);
    let mut grouping = Grouping::new(Arc::clone(&parts.store), bounds, channels.clone(), parts.mutes.clone(), parts.metrics.clone());
    grouping.count()?;
    // Before anything is said.
    read_mutes(&mutes, parts);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done = None;
    loop {
        tokio::select! {
            // The other end is closed, and nothing is ever sent.
            _ = shutdown.changed() => return Ok(()),
            _ = written.changed() => {
                // Most of what is written is no event.
                let last = findings::last_event(&parts.store)?;
                if done == Some(last) {
                    continue;
                }
            }
            _ = looks.tick() => {
                read_mutes(&mutes, parts);
                requeue(&requests, &channels, parts)?;
            }
        }
        let clock = parts.clock.clone();
        let stepped = tokio::task::spawn_blocking(move || step_to_the_end(grouping, &clock)).await;
        (grouping, done) = match stepped {
            Ok((grouping, done)) => (grouping, done.map(Some)?),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Ok(()),
        };
    }
}

/// Takes account of all that has happened. Gives the last event of that.
fn step_to_the_end(mut grouping: Grouping, clock: &Clock) -> (Grouping, Result<u64, StoreError>) {
    let done = loop {
        match grouping.step(clock.now()) {
            Ok(true) => {}
            Ok(false) => break grouping.done(),
            Err(error) => break Err(error),
        }
    };
    (grouping, done)
}

fn read_mutes(dir: &MuteDir, parts: &Parts) {
    match dir.read() {
        Ok((mutes, bad)) => {
            let count = i64::try_from(bad.len()).unwrap_or(i64::MAX);
            // Said once, not each second.
            if count != parts.metrics.bad_mutes.get() {
                bad.iter().for_each(|bad| tracing::error!("{bad}"));
            }
            parts.metrics.bad_mutes.set(count);
            parts.mutes.set(mutes);
        }
        Err(error) => {
            // What cannot be read mutes nothing.
            tracing::error!("{error}; nothing is muted");
            parts.mutes.set(Vec::new());
        }
    }
}

fn requeue(requests: &Requests, channels: &[Arc<Channel>], parts: &Parts) -> Result<(), StoreError> {
    let asked = match requests.read() {
        Ok(asked) => asked,
        Err(error) => {
            tracing::error!("the requests to deliver again cannot be read: {error}");
            return Ok(());
        }
    };
    for id in asked {
        let mut found = false;
        for channel in channels {
            found = found || channel.requeue(&parts.store, id, parts.clock.now())?;
        }
        if !found {
            tracing::warn!("there is no delivery {id} that was given up by a channel that is configured");
        }
        if let Err(error) = requests.done(id) {
            tracing::error!("a request to deliver {id} again cannot be removed: {error}");
        }
    }
    Ok(())
}

/// What delivers to one channel.
#[derive(Debug)]
struct Courier {
    store: Arc<Store>,
    channel: Arc<Channel>,
    transport: Transport,
    clock: Clock,
}

impl Courier {
    async fn run(self, mut shutdown: watch::Receiver<()>) -> Result<(), StoreError> {
        let mut last: Option<Timestamp> = None;
        loop {
            let now = self.clock.now();
            let paused = last.map(|last| super::budget::later(last, self.channel.pause)).filter(|until| *until > now);
            let wait = match self.channel.next(&self.store, now, self.transport.together())? {
                Ok(deliveries) if paused.is_none() => {
                    let outcome = self.transport.send(&deliveries, now).await;
                    self.record(deliveries, outcome).await?;
                    last = Some(now);
                    if shutdown.has_changed().is_err() {
                        return Ok(());
                    }
                    continue;
                }
                Ok(_) => paused,
                Err(until) => until,
            };
            // Never longer than a look, so that the age of what waits is shown, and a clock that was set is noticed.
            let wait = wait.map_or(LOOK, |until| Duration::try_from(until.duration_since(now)).unwrap_or_default().min(LOOK));
            tokio::select! {
                _ = shutdown.changed() => return Ok(()),
                () = self.channel.more.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }
}

impl Courier {
    /// Writes down what became of a try, on a thread that may wait for the store.
    async fn record(&self, deliveries: Vec<Delivery>, outcome: Tried) -> Result<(), StoreError> {
        let (channel, store, now) = (Arc::clone(&self.channel), Arc::clone(&self.store), self.clock.now());
        joined(tokio::task::spawn_blocking(move || channel.record(&store, &deliveries, &outcome, now)).await)
    }
}

impl Transport {
    /// How many deliveries leave together at most.
    fn together(&self) -> usize {
        match self {
            Transport::Webhook(_) => 1,
            Transport::Mail(_) => mail::TOGETHER,
        }
    }

    async fn send(&self, deliveries: &[Delivery], now: Timestamp) -> Tried {
        match self {
            Transport::Webhook(webhook) => match deliveries {
                [delivery, ..] => webhook.send(delivery, now).await,
                [] => Ok(()),
            },
            Transport::Mail(mailer) => mailer.send(deliveries, now).await,
        }
    }
}

#[cfg(test)]
mod tests;
