//! Whether documents are what decisions say: fetched from where the decision says that they are, and hashed.
//!
//! Off unless the configuration switches it on. A monitor that fetches whatever address a stranger writes spends its operator's network on
//! the stranger's word, and can be pointed at third parties; whether that is wanted is for its operator to say.
//!
//! The check alone is a function of entries: it only notes what is to be looked at. [`run`] looks, and writes what it found together with
//! when it is to look again. So a monitor that is killed looks again at what it was looking at, and reports it once.
//!
//! Invariant: one request at a time to a host, and a pause after it, however many documents name it; and each host has its turn, however
//! many documents name another. What is fetched is hashed as it comes and not kept.

mod queue;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use decision::types::{Body, Decision, Document};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use reqwest::StatusCode;
use ring::digest;
use tlog::printable::Printable;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::check::{Check, Judged, Outcome, Rows};
use crate::clock::Clock;
use crate::finding::{Code, Raised};
use crate::findings;
use crate::outside::{Client, OutsideError, Request};
use crate::store::{Store, StoreError};
use queue::{Due, Job, Place, Queue};

pub use settings::{Section, Settings, SettingsError};

const NAME: &str = "documents";

/// How long a document that was not there at first is waited for: this, and four times as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// When a document is looked at again that was wrong or could not be had: then, and twice as long each time, up to sixteen times.
const SECOND_LOOK: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest that a host may ask to be left alone.
const MAX_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often it is looked for what is due.
const POLL: Duration = Duration::from_millis(250);

/// The check that notes which documents are to be looked at.
pub fn all(settings: &Settings) -> Vec<Box<dyn Check>> {
    if settings.client.is_some() { vec![Box::new(Documents { settings: settings.clone() })] } else { Vec::new() }
}

struct Documents {
    settings: Settings,
}

impl Check for Documents {
    fn name(&self) -> &'static str {
        NAME
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(Body::Decision(decision)) = entry.statement.filter(|_| entry.refusal.is_none()).map(|statement| statement.body()) else {
            return Ok(());
        };
        for (number, document) in (0..).zip(&decision.documents) {
            let Some(url) = &document.url else { continue };
            let job = Job {
                url: url.as_str().to_owned(),
                name: document.name.as_str().to_owned(),
                issuer: decision.issuer.to_string(),
                size: document.size,
                sha256: document.sha256.to_string(),
                tries: 0,
                failures: 0,
            };
            let host = job.host();
            if !self.settings.hosts.has(&host) {
                continue;
            }
            if document.size > self.settings.max_size {
                out.raise(too_large(&self.settings, decision, document, entry));
                continue;
            }
            let place = Place { host, due: entry.published.latest.as_second(), index: entry.index.as_u64(), number };
            rows.put(&place.key(), findings::encode(&job));
        }
        Ok(())
    }
}

/// One for each issuer: whoever states a size can have any number of documents left out, and should be seen to.
fn too_large(settings: &Settings, decision: &Decision, document: &Document, entry: &Judged<'_>) -> Raised {
    let (issuer, index) = (decision.issuer.as_str(), entry.index.as_u64());
    let text = format!(
        "Documents of {issuer} are larger than the {} bytes up to which this monitor fetches them, and are not checked; the first is {}, of {} \
         bytes, of entry {index}.",
        settings.max_size,
        Printable(document.name.as_str()),
        document.size
    );
    Raised::new(Code::DOCUMENT_TOO_LARGE, issuer, issuer, text).at([index])
}

/// What became of looking at a document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Good,
    /// It is another one.
    Wrong(String),
    /// It could not be had.
    Nothing {
        why: String,
        /// Whether it may come yet.
        for_now: bool,
        /// The host wants to be left alone for so long.
        after: Option<Duration>,
    },
}

/// Looks at documents when they are due, until `shutdown` says so. Returns early when the store fails.
pub async fn run(store: Arc<Store>, settings: Settings, clock: Clock, mut shutdown: watch::Receiver<()>) -> Result<(), StoreError> {
    let Some(client) = settings.client.clone() else {
        let _ = shutdown.changed().await;
        return Ok(());
    };
    let mut queue = Queue::default();
    let mut resting = Resting::default();
    let mut running = FuturesUnordered::new();
    loop {
        let free = settings.parallel.saturating_sub(running.len());
        for due in queue.due(&store, clock.now(), free, |host| resting.is_free(host))? {
            resting.busy(&due.place.host);
            let (client, settings) = (&client, &settings);
            running.push(async move {
                let found = look(client, settings, &due.job).await;
                (due, found)
            });
        }
        tokio::select! {
            _ = shutdown.changed() => return Ok(()),
            Some((due, found)) = running.next(), if !running.is_empty() => {
                resting.rest(&due.place.host, settings.pause);
                conclude(&store, &settings, clock.now(), &due, found)?;
            }
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Fetches a document and compares it.
async fn look(client: &Client, settings: &Settings, job: &Job) -> Found {
    let mut hash = digest::Context::new(&digest::SHA256);
    let request = Request::get(&job.url).limit(job.size).timeout(settings.timeout).redirects(settings.redirects);
    let answer = client.read(request, |bytes| hash.update(bytes)).await;
    match answer {
        Ok(answer) if answer.status == StatusCode::OK => {
            let sha256: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            if answer.size == job.size && sha256 == job.sha256 {
                return Found::Good;
            }
            Found::Wrong(format!("what is there has {} bytes and the SHA-256 {sha256}", answer.size))
        }
        Ok(answer) => {
            let after = answer.headers.get(reqwest::header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            let after = after.map(|seconds| Duration::from_secs(seconds).min(MAX_PATIENCE));
            Found::Nothing { why: format!("the host answered with the HTTP status {}", answer.status.as_u16()), for_now: true, after }
        }
        Err(OutsideError::TooLarge { .. }) => Found::Wrong("what is there is longer".to_owned()),
        Err(error) => Found::Nothing { why: error.to_string(), for_now: error.is_for_now(), after: None },
    }
}

/// Writes what was found, and when to look again.
fn conclude(store: &Store, settings: &Settings, now: Timestamp, due: &Due, found: Found) -> Result<(), StoreError> {
    let mut job = due.job.clone();
    let mut outcome = Outcome::default();
    let Place { index, number, .. } = due.place;
    let subject = format!("entry {index}, document {}", number + 1);
    let say = |code, text: &str| {
        let (name, url) = (Printable(&job.name), Printable(&job.url));
        let text = format!("Document {name} of entry {index}, at {url}: {text}.");
        Raised::new(code, &job.issuer, &subject, text).at([index])
    };
    let again = match found {
        Found::Good => {
            outcome.clear(Code::WRONG_DOCUMENT, &subject);
            outcome.clear(Code::DOCUMENT_UNAVAILABLE, &subject);
            (job.tries, job.failures) = (0, 0);
            settings.recheck
        }
        Found::Nothing { for_now: true, after, .. } if job.tries + 1 < settings.attempts => {
            let pause = FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(job.tries));
            job.tries += 1;
            Some(pause.min(MAX_PATIENCE).max(after.unwrap_or_default()))
        }
        Found::Nothing { why, .. } => {
            outcome.raise(say(Code::DOCUMENT_UNAVAILABLE, &why));
            Some(job.failed())
        }
        Found::Wrong(what) => {
            let text = format!("{what}; the decision says {} bytes and the SHA-256 {}", job.size, job.sha256);
            outcome.raise(say(Code::WRONG_DOCUMENT, &text));
            outcome.clear(Code::DOCUMENT_UNAVAILABLE, &subject);
            Some(job.failed())
        }
    };
    store.write(|txn| {
        let mut rows = Rows::new(txn, due.log, NAME);
        rows.delete(&due.place.key());
        if let Some(again) = again {
            let seconds = i64::try_from(again.as_secs()).unwrap_or(i64::MAX);
            let place = Place { due: now.as_second().saturating_add(seconds), ..due.place.clone() };
            rows.put(&place.key(), findings::encode(&job));
        }
        findings::record(txn, &due.origin, now, outcome)?;
        Ok(())
    })
}

impl Job {
    /// When to look again at what was wrong or could not be had.
    fn failed(&mut self) -> Duration {
        let pause = SECOND_LOOK * (1 << self.failures.min(4));
        self.failures = self.failures.saturating_add(1);
        // From now on one failure is enough: it is known already that there is something about it.
        self.tries = u32::MAX - 1;
        pause
    }
}

/// Which hosts are being asked, or were just now.
#[derive(Debug, Default)]
struct Resting(HashMap<String, Option<Instant>>);

impl Resting {
    fn is_free(&self, host: &str) -> bool {
        self.0.get(host).is_none_or(|until| until.is_some_and(|until| until <= Instant::now()))
    }

    fn busy(&mut self, host: &str) {
        self.0.insert(host.to_owned(), None);
    }

    fn rest(&mut self, host: &str, pause: Duration) {
        let now = Instant::now();
        self.0.retain(|_, until| until.is_none_or(|until| until > now));
        self.0.insert(host.to_owned(), Some(now + pause));
    }
}

#[cfg(test)]
mod tests;
