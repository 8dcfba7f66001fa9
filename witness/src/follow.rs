//! Cosigning logs that do not ask for it: their heads are fetched, and brought to a witness as the log itself would.
//!
//! This is a client of both, and nothing else: it holds no key, and what it brings is verified by the witness as if a stranger had sent it. So
//! the process with the keys never connects to a log and reads no answers of strangers, the path of a head is one and the same however it
//! came, and following can run on another machine, or twice. Fetching and checking tiles is the business of the crate `acta-client`, which
//! bounds what a log may answer, and how long it may take, and follows no redirects.
//!
//! The proof that a head continues what the witness knows is built here, from tiles that were hashed up to that head.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acta_client::location::{InvalidLocation, Location};
use acta_client::source::{Authority, FetchError, Options, Source, SourceError};
use acta_client::verified::{ReadError, VerifiedLog};
use reqwest::{Client, StatusCode, Url, redirect};
use tlog::TreeSize;
use tlog::key::VerifierKey;
use tlog::merkle::ProveError;
use tlog::note::MAX_NOTE;
use tlog::policy::{Policy, PolicyError};
use tlog::tiles::{NotPlanned, Plan, PlanError};
use tlog::witness::{AddCheckpoint, RequestError, ResponseError, parse_conflict};
use tokio::time::timeout;

use crate::logs::{self, LogsError};

/// How often a witness may say that it knows another size: once if nobody else brings it heads of the log, and a few times if somebody does.
const CONFLICTS: usize = 4;

/// For one log, from asking for its head to the witness's answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A log to fetch heads from.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Its origin.
    pub origin: String,
    /// All its keys.
    pub keys: Vec<VerifierKey>,
    /// Where it is.
    pub url: String,
}

/// What came of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What the witness had cosigned before.
    pub from: TreeSize,
    /// What it has cosigned now.
    pub to: TreeSize,
}

/// A log's head was not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Its address is none.
    #[error("its address in the policy cannot be used: {0}")]
    Location(#[from] InvalidLocation),
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Setup(#[from] FetchError),
    /// Its keys make no policy.
    #[error("its keys cannot be used together: {0}")]
    Policy(#[from] PolicyError),
    /// It could not be read, or what was read is not what it signed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no proof from that size.
    #[error("there is no proof from the size {from} that the witness knows: {error}")]
    Plan {
        /// That size.
        from: TreeSize,
        /// Why.
        error: PlanError,
    },
    /// The tiles do not give the proof.
    #[error("the proof from the size {0} that the witness knows cannot be built from the log's tiles")]
    Proof(TreeSize),
    /// Its head is older than what the witness knows.
    #[error(
        "its newest head has {log} entries, but the witness has cosigned {witness}: the log was rolled back, or this copy of it is behind"
    )]
    Behind {
        /// What the log shows.
        log: TreeSize,
        /// What the witness knows.
        witness: TreeSize,
    },
    /// The request would be malformed.
    #[error("nothing can be sent to the witness: {0}")]
    Request(#[from] RequestError),
    /// The witness could not be reached.
    #[error("the witness did not answer: {0}")]
    Unreachable(reqwest::Error),
    /// Its answer is malformed.
    #[error("the witness answered what cannot be read: {0}")]
    Answer(#[from] ResponseError),
    /// It refused.
    #[error("the witness refused with status {status}: {says}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        says: String,
    },
    /// It kept naming other sizes.
    #[error("the witness named a different size each time: somebody else brings it heads of this log at the same time; try again")]
    Racing,
    /// It took too long.
    #[error("it took too long")]
    Late,
}

impl From<SourceError> for FollowError {
    fn from(error: SourceError) -> Self {
        FollowError::Read(error.into())
    }
}

/// The logs with an address that these policy files list.
pub fn followed(sources: &[PathBuf]) -> Result<Vec<Followed>, LogsError> {
    let mut all: Vec<Followed> = Vec::new();
    for log in logs::read(sources)?.iter().flat_map(|file| file.policy.logs()) {
        let origin = log.key().name().as_str();
        match all.iter_mut().find(|known| known.origin == origin) {
            Some(known) => {
                if !known.keys.contains(log.key()) {
                    known.keys.push(log.key().clone());
                }
                if let Some(url) = log.url().filter(|_| known.url.is_empty()) {
                    known.url = url.to_owned();
                }
            }
            None => {
                let url = log.url().unwrap_or_default().to_owned();
                all.push(Followed { origin: origin.to_owned(), keys: vec![log.key().clone()], url });
            }
        }
    }
    all.retain(|log| !log.url.is_empty());
    Ok(all)
}

/// Brings heads of logs to one witness. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Follower {
    client: Client,
    submit: Url,
    options: Arc<Options>,
}

impl Follower {
    /// Prepares to talk to the witness with this submission prefix. `authorities` are believed besides the web's.
    pub fn new(witness: &Url, authorities: Vec<Authority>) -> Result<Self, FetchError> {
        // Nothing is tried again at once: the next round does that.
        let (wait, idle) = (Duration::ZERO, Duration::from_secs(9));
        let options = Options { wait, idle, timeout: Duration::from_secs(60), concurrency: 8, authorities };
        let client = Client::builder()
            .tls_backend_preconfigured(acta_client::source::tls_config(&options.authorities))
            .redirect(redirect::Policy::none())
            // It is one's own, and mostly on this machine.
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(60))
            .build()
            .map_err(FetchError::Setup)?;
        let submit = witness.join("add-checkpoint").expect("a relative path joins any address that can be a base");
        Ok(Follower { client, submit, options: Arc::new(options) })
    }

    /// Fetches the log's head and lets the witness cosign it.
    pub async fn follow(&self, log: &Followed) -> Result<Cosigned, FollowError> {
        timeout(PATIENCE, self.bring(log)).await.unwrap_or(Err(FollowError::Late))
    }

    async fn bring(&self, log: &Followed) -> Result<Cosigned, FollowError> {
        let source = Source::new(&log.url.parse::<Location>()?, &self.options)?;
        // Whether others have cosigned it is no matter here.
        let lines: String = log.keys.iter().map(|key| format!("log {key}\n")).collect();
        let policy = Policy::parse(format!("{lines}quorum none\n").as_bytes())?;
        let keys = &log.keys;
        let log = VerifiedLog::open(source, &policy).await?;
        // What other witnesses said is not for this one to know, and with a few lines of ML-DSA-44 a request is longer than some of them read.
        let mut head = log.head().signed().clone();
        head.retain_verified(keys);
        // With size zero the witness says what it knows.
        let mut from = TreeSize::ZERO;
        for _ in 0..CONFLICTS {
            if from > log.size() {
                return Err(FollowError::Behind { log: log.size(), witness: from });
            }
            let request = AddCheckpoint::new(from, proof(&log, from).await?, head.clone())?;
            let (status, body) = self.post(request.to_bytes()).await?;
            match status {
                StatusCode::OK => return Ok(Cosigned { from, to: log.size() }),
                StatusCode::CONFLICT => from = parse_conflict(&body)?,
                status => {
                    let says = acta_client::terminal::line(&String::from_utf8_lossy(&body));
                    return Err(FollowError::Refused { status: status.as_u16(), says });
                }
            }
        }
        Err(FollowError::Racing)
    }

    /// Posts to the witness; of its answer no more is read than it can have.
    async fn post(&self, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>), FollowError> {
        let unreachable = |error: reqwest::Error| FollowError::Unreachable(error.without_url());
        let mut response = self.client.post(self.submit.clone()).body(body).send().await.map_err(unreachable)?;
        let mut answer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + piece.len() > MAX_NOTE {
                return Err(ResponseError::TooLarge.into());
            }
            answer.extend_from_slice(&piece);
        }
        Ok((response.status(), answer))
    }
}

/// The proof that the log's head continues its tree of size `from`.
async fn proof(log: &VerifiedLog, from: TreeSize) -> Result<Vec<tlog::Hash>, FollowError> {
    if from == TreeSize::ZERO || from == log.size() {
        return Ok(Vec::new());
    }
    let mut plan = Plan::new(log.size());
    plan.consistency(from).map_err(|error| FollowError::Plan { from, error })?;
    let tiles = log.tiles(plan).await?;
    tiles.prove_consistency(from).map_err(|_: ProveError<NotPlanned>| FollowError::Proof(from))
}
