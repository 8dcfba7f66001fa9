//! A monitor's alerts without the monitor: a store, a clock, and receivers that note what they get.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::delivery::{Channel, Delivery};
use super::grouping::Grouping;
use super::settings::{Patience, WebhookSection};
use super::{Metrics, Mutes, rows};
use crate::check::Outcome;
use crate::finding::{Code, Raised, Severity};
use crate::findings;
use crate::store::{Store, StoreOptions};

pub(crate) const LOG: &str = "log.example/1";

/// A store, and what a running alerter has in memory.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) mutes: Mutes,
    pub(crate) metrics: Metrics,
    pub(super) channels: Vec<Arc<Channel>>,
    pub(super) grouping: Grouping,
    bounds: (Duration, u32),
    _dir: tempfile::TempDir,
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Gives up after 5 tries or a day.
pub(super) const PATIENCE: Patience = Patience { attempts: 5, age: Duration::from_secs(86_400), timeout: Duration::from_secs(1) };

impl World {
    /// With these channels, gathering for 100 seconds, and so many messages of a severity in that time.
    pub(crate) fn new(channels: &[(&str, Severity)], burst: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap());
        let (mutes, metrics) = (Mutes::default(), Metrics::new(&Registry::new()).unwrap());
        let bounds = (Duration::from_secs(100), burst);
        let open =
            |(name, severity): &(&str, Severity)| Channel::open(&store, name, *severity, (PATIENCE, Duration::ZERO), &metrics).unwrap();
        let channels: Vec<_> = channels.iter().map(open).collect();
        let grouping = Grouping::new(Arc::clone(&store), bounds, channels.clone(), mutes.clone(), metrics.clone());
        World { store, mutes, metrics, channels, grouping, bounds, _dir: dir }
    }

    /// Loses everything that is only in memory.
    pub(crate) fn restart(&mut self) {
        let open = |old: &Arc<Channel>| {
            Channel::open(&self.store, &old.name, old.min_severity, (PATIENCE, Duration::ZERO), &self.metrics).unwrap()
        };
        self.channels = self.channels.iter().map(open).collect();
        let parts = (Arc::clone(&self.store), self.bounds, self.channels.clone(), self.mutes.clone(), self.metrics.clone());
        self.grouping = Grouping::new(parts.0, parts.1, parts.2, parts.3, parts.4);
    }

    pub(crate) fn record(&self, now: i64, outcome: Outcome) {
        self.store.write(|txn| findings::record(txn, LOG, at(now), outcome)).unwrap();
    }

    pub(crate) fn raise(&self, now: i64, code: &Code, group: &str, subjects: impl IntoIterator<Item = impl Into<String>>) {
        let mut outcome = Outcome::default();
        for subject in subjects {
            let subject = subject.into();
            let text = format!("{subject} is missing.");
            outcome.raise(Raised::new(code.clone(), group, subject, text).at([7]));
        }
        self.record(now, outcome);
    }

    pub(crate) fn clear(&self, now: i64, code: &Code, subjects: impl IntoIterator<Item = impl Into<String>>) {
        let mut outcome = Outcome::default();
        subjects.into_iter().for_each(|subject| outcome.clear(code.clone(), subject));
        self.record(now, outcome);
    }

    /// Takes account of everything.
    pub(crate) fn group(&mut self, now: i64) {
        while self.grouping.step(at(now)).unwrap() {}
    }

    /// What waits for a channel.
    pub(super) fn waiting(&self, channel: usize) -> Vec<Delivery> {
        super::waiting(&self.store, &self.channels[channel].name, 100_000).unwrap()
    }

    /// What waits for a channel, in short; it is then delivered.
    pub(super) fn said(&self, channel: usize, now: i64) -> Vec<String> {
        let waiting = self.waiting(channel);
        self.channels[channel].record(&self.store, &waiting, &Ok(()), at(now)).unwrap();
        let short = |delivery: &Delivery| match delivery.notice.said() {
            Some(said) => {
                let (kind, alert) = (delivery.notice.what.name(), &said.alert);
                format!("{kind} {} {} +{} -{} open {}", alert.code, alert.group, said.came, said.went, alert.open)
            }
            None => "flood".to_owned(),
        };
        waiting.iter().map(short).collect()
    }

    pub(crate) fn rows(&self, kind: &[u8]) -> usize {
        self.store.scan(crate::store::Family::Alerts, kind, 1_000_000).unwrap().len()
    }

    /// Whether nothing is left to look at later.
    pub(crate) fn is_settled(&self) -> bool {
        self.rows(rows::DUE) == 0 && self.rows(rows::HELD) == 0
    }
}

/// A request that a receiver got: its headers in small letters, and its body.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver of webhooks on this machine, which answers as `answer` says; nothing at all if that is empty.
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) got: tokio::sync::mpsc::UnboundedReceiver<Got>,
}

impl Receiver {
    pub(super) async fn start(answer: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, got) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            for count in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (tell, reply) = (tell.clone(), answer(count));
                tokio::spawn(async move {
                    let mut stream = BufReader::new(&mut stream);
                    let mut headers = String::new();
                    while !headers.ends_with("\r\n\r\n") {
                        if stream.read_line(&mut headers).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let mut got = Got { headers: headers.to_ascii_lowercase().replace("\r\n", "\n"), body: Vec::new() };
                    got.body.resize(got.header("content-length").parse().unwrap(), 0);
                    stream.read_exact(&mut got.body).await.unwrap();
                    let _ = tell.send(got);
                    if reply.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(&reply).await;
                });
            }
        });
        Receiver { url, got }
    }
}

/// A webhook to this machine, with its secret in `dir`.
pub(super) fn webhook(dir: &Path, name: &str, url: &str) -> WebhookSection {
    let secret = dir.join(format!("{name}.secret"));
    std::fs::write(&secret, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (allow, name, url) = (vec!["127.0.0.0/8".to_owned()], name.to_owned(), url.to_owned());
    WebhookSection { name, url, secret, allow, allow_unencrypted: true, ..WebhookSection::default() }
}
