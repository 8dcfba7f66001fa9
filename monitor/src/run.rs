//! A whole monitor, from opening its state directory to closing it: what `acta-monitor serve` does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use serving::files;
use serving::http_metrics::HttpMetrics;
use serving::ops::{self, Operations, OpsMetrics};
use serving::program::{Addresses, ListenError, Listeners, until_closed};
use serving::tls::TlsError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::alert::{self, AlertError, Mutes};
use crate::check::Check;
use crate::clock::Clock;
use crate::config::Config;
use crate::follow::{FollowError, Follower, Parts};
use crate::http::{self, Site};
use crate::metrics::Metrics;
use crate::progress::{Progress, Watch};
use crate::search::{self, Search};
use crate::state_dir::{StateDir, StateError};
use crate::store::{MAX_OPEN_FILES, Store, StoreError};
use crate::stream::Streams;
use crate::views::{self, ViewsError};
use crate::{checks, documents, ocds, published, rules};

/// The monitor did not start, or stopped over an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A log cannot be followed.
    #[error("the monitor stopped: {0}")]
    Follow(#[from] FollowError),
    /// The store failed.
    #[error("the monitor stopped: {0}")]
    Store(#[from] StoreError),
    /// Other views of a log cannot be compared.
    #[error("the monitor stopped: {0}")]
    Views(#[from] ViewsError),
    /// Alerts cannot be sent.
    #[error("the monitor stopped: {0}")]
    Alert(#[from] AlertError),
    /// A listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A metric is registered twice.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A part of the monitor ended over a defect.
    #[error("a part of the monitor ended over a defect of acta-monitor, please report it: {0}")]
    Defect(#[from] tokio::task::JoinError),
}

/// How often it is said how far a long log has been read.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// For a log that is further behind than this it is said how far it has been read.
const LONG: u64 = 100_000;

/// What the operations listener says of a monitor.
#[derive(Debug)]
struct Monitor {
    draining: watch::Receiver<()>,
    logs: usize,
}

impl Operations for Monitor {
    fn refresh(&self) {}

    fn ready(&self) -> Result<(), String> {
        if self.draining.has_changed().is_err() {
            return Err("the monitor is shutting down".to_owned());
        }
        if self.logs == 0 {
            return Err("no log is followed: add a [[log]] to the configuration".to_owned());
        }
        Ok(())
    }
}

/// What the parts of a monitor have in common.
struct Shared<'a> {
    config: &'a Config,
    dir: &'a StateDir,
    store: &'a Arc<Store>,
    clock: Clock,
    registry: &'a Registry,
    stopping: &'a watch::Receiver<()>,
}

/// All that is looked for in entries.
pub fn all_checks(config: &Config) -> Vec<Box<dyn Check>> {
    // First, so that it is there for whoever looks at what the others say.
    let mut all: Vec<Box<dyn Check>> = vec![Box::new(published::Record::default())];
    all.extend(checks::all(&config.checks));
    all.extend(rules::all(&config.rules));
    all.extend(ocds::all(&config.ocds));
    all.extend(documents::all(&config.documents));
    all
}

/// Opens the monitor's state, follows its logs and serves what it finds until `shutdown` resolves. `ready` is told the addresses once the
/// listeners are open. Returns early, with the error, when the store fails.
pub async fn run(config: Config, ready: impl FnOnce(Addresses), shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let dir = StateDir::new(&config.state);
    let tls = config.http.tls.as_ref().map(serving::tls::load).transpose()?;
    let mut http_settings = config.http.clone();
    http_settings.bounds.connections = files::room_for_connections(http_settings.bounds.connections, MAX_OPEN_FILES.into());
    let registry = Registry::new();
    let (metrics, http_metrics) = (Metrics::new(&registry)?, http::metrics(&registry)?);
    let state = dir.open(config.store)?;
    let store = Arc::clone(&state.store);
    let listeners = Listeners::open(http_settings.listen, config.ops_listen, tls.is_some()).await?;
    ready(listeners.addresses);

    let (stop, stopping) = watch::channel(());
    let (_stop_operations, operations_stopping) = watch::channel(());
    if let Some(listener) = listeners.operations {
        let monitor = Monitor { draining: stopping.clone(), logs: config.logs.len() };
        tokio::spawn(ops::serve(listener, monitor, OpsMetrics::new("acta_monitor", registry.clone())?, until_closed(operations_stopping)));
    }
    let shared = Shared { config: &config, dir: &dir, store: &store, clock: Clock::system(), registry: &registry, stopping: &stopping };
    let mut parts: JoinSet<Result<(), RunError>> = JoinSet::new();
    shared.follow(&metrics, &mut parts)?;
    let site = shared.start(http_settings, http_metrics, &mut parts)?;
    let served = tokio::spawn(http::serve(Arc::new(site), listeners.public, tls, until_closed(stopping.clone())));
    let failed = tokio::select! {
        failed = first_failure(&mut parts) => Some(failed),
        () = shutdown => None,
    };
    drop(stop);
    if let Some(error) = failed {
        return Err(error);
    }
    served.await?;
    while let Some(ended) = parts.join_next().await {
        ended??;
    }
    Ok(())
}

impl Shared<'_> {
    /// Starts to follow each log.
    fn follow(&self, metrics: &Metrics, parts: &mut JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
        let config = self.config;
        if config.logs.is_empty() {
            tracing::warn!("no log is followed: add a [[log]] to the configuration");
        }
        let what = Parts {
            store: Arc::clone(self.store),
            checks: all_checks(config).into(),
            evidence: self.dir.evidence(),
            authorities: config.authorities.clone(),
            keys: Arc::default(),
            clock: self.clock.clone(),
        };
        for log in &config.logs {
            let progress = Arc::new(Progress::default());
            let follower = Follower::new(what.clone(), log.clone(), Arc::clone(&progress), metrics.of(&log.origin))?;
            tracing::info!(from = progress.done(), "following {} at {}", log.origin, log.location);
            parts.spawn(part(follower.run(self.stopping.clone())));
            parts.spawn(say_progress(log.origin.clone(), progress, self.stopping.clone()));
        }
        Ok(())
    }

    /// Starts what looks at what was read, and what tells of it. Gives what the public listener serves.
    fn start(&self, settings: http::Settings, metrics: HttpMetrics, parts: &mut JoinSet<Result<(), RunError>>) -> Result<Site, RunError> {
        let (config, stopping) = (self.config, self.stopping);
        let (store, clock) = (|| Arc::clone(self.store), || self.clock.clone());
        let (mutes, alert_metrics) = (Mutes::default(), alert::Metrics::new(self.registry)?);
        let streams = Streams::new(store(), mutes.clone(), alert_metrics.clone(), clock(), stopping.clone());
        let alerts = alert::Parts {
            store: store(),
            settings: config.alerts.clone(),
            state: self.dir.root().to_owned(),
            mutes: mutes.clone(),
            metrics: alert_metrics,
            clock: clock(),
        };
        parts.spawn(part(alert::run(alerts, stopping.clone())));
        let seen = views::Parts::new(config, self.dir, store(), clock(), views::Metrics::new(self.registry)?);
        parts.spawn(part(views::run(seen, stopping.clone())));
        let search = Arc::new(Search::new(self.dir.search(), config.search));
        parts.spawn(part(search::run(store(), Arc::clone(&search), stopping.clone())));
        parts.spawn(part(documents::run(store(), config.documents.clone(), clock(), stopping.clone())));
        let (evidence, url) = (self.dir.evidence(), config.alerts.url.clone());
        Ok(Site::new(http::Parts { store: store(), search, evidence, settings, mutes, streams, url, clock: clock(), metrics }))
    }
}

/// Says from time to time how far a long log has been read.
async fn say_progress(origin: String, progress: Arc<Progress>, mut stopping: watch::Receiver<()>) -> Result<(), RunError> {
    let mut watch: Option<Watch> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(SAY_EVERY) => {}
            _ = stopping.changed() => return Ok(()),
        }
        if progress.target() < progress.done() + LONG && watch.is_none() {
            continue;
        }
        let state = watch.get_or_insert_with(|| Watch::new(&progress)).state(&progress);
        tracing::info!("{origin}: {state}");
        if state.done >= state.target {
            watch = None;
        }
    }
}

async fn part<E>(part: impl Future<Output = Result<(), E>>) -> Result<(), RunError>
where
    RunError: From<E>,
{
    part.await.map_err(RunError::from)
}

/// Resolves when a part fails; a part that only ends has nothing to do.
async fn first_failure(parts: &mut JoinSet<Result<(), RunError>>) -> RunError {
    loop {
        match parts.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => return error.into(),
            None => std::future::pending().await,
        }
    }
}
