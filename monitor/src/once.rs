//! Looking at logs once: what `acta-monitor check` does.

use std::sync::Arc;

use decision::keys::Keys;
use prometheus::Registry;
use tlog::printable::Printable;

use crate::check::Check;
use crate::clock::Clock;
use crate::config::Config;
use crate::finding::Finding;
use crate::findings;
use crate::follow::{FollowError, Follower, Look, Parts, Patience};
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::run::all_checks;
use crate::state_dir::{OpenState, StateDir, StateError};
use crate::store::StoreError;
use crate::views::{self, Views, ViewsError};

/// A state directory, opened to look at logs once each.
pub struct Once {
    config: Config,
    state: OpenState,
    dir: StateDir,
    checks: Arc<[Box<dyn Check>]>,
    keys: Arc<Keys>,
    metrics: Metrics,
    views: Views,
}

/// What came of a look.
#[derive(Clone, Debug)]
pub struct Looked {
    /// All findings about the log that are open, the first found first.
    pub findings: Vec<Finding>,
    /// Why the log, or a part of it, could not be looked at, if that is so.
    pub unavailable: Option<String>,
    /// How many entries were ever read.
    pub entries: u64,
}

/// A log could not be looked at, for reasons of this machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnceError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// It cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Others cannot be asked, or evidence cannot be kept.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A metric is registered twice.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Once {
    /// Opens the state directory, or makes it.
    pub fn open(config: Config) -> Result<Self, OnceError> {
        let dir = StateDir::new(&config.state);
        let state = dir.open_or_create(config.store)?;
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        let parts = views::Parts::new(&config, &dir, Arc::clone(&state.store), Clock::system(), views::Metrics::new(&registry)?);
        Ok(Once { checks: all_checks(&config).into(), keys: Arc::default(), views: Views::new(parts)?, config, state, dir, metrics })
    }

    /// The origins of the logs.
    pub fn logs(&self) -> Vec<String> {
        self.config.logs.iter().map(|log| log.origin.clone()).collect()
    }

    /// Looks at the log with this origin, and takes in all that is new.
    pub async fn look(&self, origin: &str, progress: Arc<Progress>) -> Result<Looked, OnceError> {
        let settings = self.config.logs.iter().find(|log| log.origin == origin);
        let settings = settings.unwrap_or_else(|| panic!("{} is none of the logs", Printable(origin))).clone();
        let parts = Parts {
            store: Arc::clone(&self.state.store),
            checks: Arc::clone(&self.checks),
            evidence: self.dir.evidence(),
            authorities: self.config.authorities.clone(),
            keys: Arc::clone(&self.keys),
            clock: Clock::system(),
        };
        let mut follower = Follower::new(parts, settings, progress, self.metrics.of(origin))?.since_last_answer();
        let look = follower.look(Patience::TakesAll).await?;
        let unavailable = match look {
            Look::Unavailable(why) => Some(why),
            _ => None,
        };
        self.views.look(origin).await?;
        let findings = findings::open(&self.state.store, origin)?;
        Ok(Looked { findings, unavailable, entries: follower.log().size.as_u64() })
    }
}
