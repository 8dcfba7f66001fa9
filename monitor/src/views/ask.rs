//! Asking others which head of a log they have seen.
//!
//! Whoever is asked may lie, stall or send anything. No more of an answer is read than a head can have, nobody's redirect is followed, and a
//! head that does not bear the log's signature is refused here: it is a lie of whoever showed it, and says nothing against the log.

use acta_client::location::Location;
use acta_client::source::{FetchError, Options, Source as Place, SourceError};
use tlog::Hash;
use tlog::checkpoint::{SignedCheckpoint, SignedCheckpointError, VerifyCheckpointError};
use tlog::note::MAX_NOTE;

use super::{Settings, metrics::Kind};
use crate::config::LogSettings;
use crate::heads::{LogHead, Source};

/// Somebody who can be asked.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) source: Source,
    pub(super) place: Place,
    /// Below the place's address.
    path: String,
}

/// Why there is no head from somebody.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHead {
    /// It has none of this log.
    #[error("it has seen no head of this log yet")]
    None,
    /// It was not to be had.
    #[error(transparent)]
    Fetch(FetchError),
    /// What came is none.
    #[error("what it sent is no head of a log: {0}")]
    Malformed(SignedCheckpointError),
    /// It is not the log's.
    #[error("it showed a head that it may have made up itself: {0}")]
    NotTheLogs(VerifyCheckpointError),
}

impl View {
    /// Everybody who can be asked about a log.
    pub(super) fn of(log: &LogSettings, settings: &Settings, options: &Options) -> Result<Vec<View>, FetchError> {
        let hash = Hash::sha256(log.origin.as_bytes()).to_hex();
        let mut views = Vec::new();
        let mut add = |source: Source, location: &Location, path: String| -> Result<(), FetchError> {
            views.push(View { source, place: Place::new(location, options)?, path });
            Ok(())
        };
        let mut asked: Vec<Location> = Vec::new();
        for witness in log.policy.witnesses().iter().filter(|_| settings.witnesses) {
            // An address that is no address is not ours to judge; nobody can reach that witness.
            let Some(location @ Location::Remote(_)) = witness.url().and_then(|url| url.parse().ok()) else { continue };
            // One operator with keys of two kinds is one witness.
            if !asked.contains(&location) {
                // SPEC: tlog-witness §Monitor Retrieval
                add(Source::Witness(witness.name().to_string()), &location, format!("{hash}/checkpoint"))?;
                asked.push(location);
            }
        }
        for monitor in &settings.monitors {
            add(Source::Monitor(monitor.to_string()), monitor, format!("gossip/{hash}/checkpoint"))?;
        }
        for mirror in &settings.mirrors {
            add(Source::Mirror(mirror.to_string()), mirror, "checkpoint".to_owned())?;
        }
        Ok(views)
    }

    /// Asks for its newest head.
    pub(super) async fn ask(&self, log: &LogSettings) -> Result<LogHead, NoHead> {
        let fetched = match self.place.server() {
            Some(server) => server.get(&self.path, MAX_NOTE).await,
            // Only mirrors may be directories, and all of these have this name.
            None => return verified(&self.place.checkpoint().await?, log),
        };
        let bytes = fetched.map_err(NoHead::fetch)?;
        verified(&SignedCheckpoint::parse(&bytes).map_err(NoHead::Malformed)?, log)
    }

    pub(super) fn kind(&self) -> Kind {
        match self.source {
            Source::Witness(_) => Kind::Witness,
            Source::Monitor(_) => Kind::Monitor,
            _ => Kind::Mirror,
        }
    }
}

impl NoHead {
    fn fetch(error: FetchError) -> Self {
        match error {
            FetchError::NotFound { .. } => NoHead::None,
            error => NoHead::Fetch(error),
        }
    }

    /// Whether it sent something that it should not have sent.
    pub(super) fn is_a_lie(&self) -> bool {
        match self {
            NoHead::Malformed(_) | NoHead::NotTheLogs(_) => true,
            NoHead::Fetch(error) => matches!(error, FetchError::TooLarge { .. } | FetchError::Redirected { .. }),
            NoHead::None => false,
        }
    }
}

impl From<SourceError> for NoHead {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Fetch(error) => NoHead::fetch(error),
            SourceError::Checkpoint(error) => NoHead::Malformed(error),
            // Neither tiles nor bundles were asked for.
            _ => NoHead::None,
        }
    }
}

/// A mirror may be of another log that is followed: then this is not the head that was asked for.
fn verified(signed: &SignedCheckpoint, log: &LogSettings) -> Result<LogHead, NoHead> {
    LogHead::verify(signed, &log.policy).map_err(NoHead::NotTheLogs)
}
