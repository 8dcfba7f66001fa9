//! A witness as a host in the network: the real one, over a store that survives crashes, or one that lies.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prometheus::Registry;
use tempfile::TempDir;
use tlog::TreeSize;
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};
use tlog::witness::{AddCheckpoint, Refusal, SIZE_MEDIA_TYPE, print_conflict, print_cosignatures};
use witness::cosigner::{Clock, CosignError, Cosigner, Options, Parts};
use witness::evidence::{EvidenceLimits, Evidences};
use witness::keys::Keys;
use witness::logs::{LogSet, Logs};
use witness::metrics::Metrics;
use witness::store::{MemoryStore, OriginHash};

use super::random::Random;
use super::record::Record;
use super::time;
use crate::gather::Response;

/// How a witness answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should.
    Honest,
    /// With whatever could do harm.
    Lying,
}

/// A host. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Host(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    number: usize,
    log_keys: Vec<VerifierKey>,
    manner: Manner,
    random: Random,
    record: Arc<Mutex<Record>>,
    /// Nothing while it is down.
    running: Option<Cosigner<MemoryStore>>,
    /// How often it was started.
    incarnation: u64,
    /// What is on its disk.
    disk: Arc<MemoryStore>,
    /// An older copy of that.
    backup: MemoryStore,
    evidence: TempDir,
}

const FILES: NonZeroU32 = NonZeroU32::new(10).expect("not 0");

/// The keys of a witness.
pub(super) fn signing_key(number: usize) -> SigningKey {
    let name = KeyName::new(&format!("w{number}.test")).expect("a name");
    SigningKey::from_seed(name, Algorithm::CosignatureEd25519, &[u8::try_from(number).unwrap_or(0) + 101; 32]).expect("a seed")
}

impl Host {
    pub(super) fn new(number: usize, log_keys: Vec<VerifierKey>, manner: Manner, random: Random, record: Arc<Mutex<Record>>) -> Self {
        let evidence = tempfile::tempdir().expect("a directory for evidence");
        let (disk, backup) = (Arc::new(MemoryStore::default()), MemoryStore::default());
        let host = Host(Arc::new(Mutex::new(State {
            number,
            log_keys,
            manner,
            random,
            record,
            running: None,
            incarnation: 0,
            disk,
            backup,
            evidence,
        })));
        host.start();
        host
    }

    /// Starts the witness over what is on its disk.
    pub(super) fn start(&self) {
        let mut state = self.state();
        let parts = Parts {
            store: Arc::clone(&state.disk),
            keys: Keys::new(vec![signing_key(state.number)]).expect("a cosignature key"),
            logs: Arc::new(Logs::fixed(LogSet::new(state.log_keys.iter().cloned()))),
            evidence: Evidences::new(state.evidence.path().to_owned(), EvidenceLimits { files: FILES, bytes: 1 << 20 }),
            clock: Clock::new(time::seconds),
            metrics: Arc::new(Metrics::new(&Registry::new()).expect("a new registry")),
            options: Options { pending: 16 << 20, rate: None },
        };
        state.running = Some(Cosigner::start_without_thread(parts));
        state.incarnation += 1;
    }

    /// Ends it as a power cut does: what it has not stored is gone, and nobody is answered.
    pub(super) fn crash(&self) {
        let mut state = self.state();
        state.running = None;
        state.disk = Arc::new(state.disk.reopen());
    }

    /// Makes a copy of its disk, for [`Host::restore`].
    pub(super) fn back_up(&self) {
        let mut state = self.state();
        state.backup = state.disk.reopen();
    }

    /// What must never be done to a witness: it forgets what it has cosigned since its copy was made.
    pub(super) fn restore(&self) {
        self.crash();
        let mut state = self.state();
        state.disk = Arc::new(state.backup.reopen());
        drop(state);
        self.start();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request; nothing comes back if it is down, or goes down meanwhile.
    pub(super) async fn answer(&self, path: &str, body: Option<&[u8]>) -> Option<Response> {
        let (running, incarnation, lies) = {
            let mut state = self.state();
            let lies = state.manner == Manner::Lying && state.random.chance(80);
            (state.running.clone()?, state.incarnation, lies)
        };
        if lies {
            return self.lie(body);
        }
        let response = match body {
            Some(body) => cosigned(running.add_checkpoint(body).await),
            None => shown(&running, path),
        };
        let state = self.state();
        // A process that has ended meanwhile has not answered.
        if state.running.is_none() || state.incarnation != incarnation {
            return None;
        }
        if let (200, Some(request)) = (response.status, body.and_then(|body| AddCheckpoint::parse(body).ok())) {
            state.record.lock().unwrap_or_else(PoisonError::into_inner).cosigned(state.number, request.checkpoint());
        }
        Some(response)
    }

    /// Something that might harm a log that believes it.
    fn lie(&self, body: Option<&[u8]>) -> Option<Response> {
        let mut state = self.state();
        let size = state.random.below(200);
        let request = body.and_then(|body| AddCheckpoint::parse(body).ok());
        match state.random.below(10) {
            0 => None,
            1 => Some(conflict(TreeSize::new(size))),
            2 => Some(conflict(TreeSize::new(u64::MAX))),
            3 => Some(plain(409, "not a number")),
            4 => Some(plain(422, "no")),
            5 => Some(plain(500, "")),
            6 => Some(plain(302, "http://127.0.0.1/")),
            7 => Some(plain(200, "\u{2014} w0.test AAAA\n")),
            // Good signatures: of a time that cannot be, and of somebody else.
            8 => Some(plain(200, &line(&request?, &signing_key(state.number), u64::MAX >> 1))),
            _ => Some(plain(200, &line(&request?, &signing_key(state.number + 10), time::seconds()))),
        }
    }
}

/// A line over the checkpoint of a request.
fn line(request: &AddCheckpoint, key: &SigningKey, at: u64) -> String {
    let line = key.cosign(request.checkpoint().checkpoint(), at).expect("a cosignature key signs");
    print_cosignatures(&[line])
}

/// What the witness's HTTP makes of it, as far as a log looks at that.
fn cosigned(answer: Result<String, CosignError>) -> Response {
    match answer {
        Ok(lines) => plain(200, &lines),
        Err(CosignError::Refused(Refusal::Conflict { latest, .. })) => conflict(latest),
        Err(CosignError::Refused(Refusal::UnknownOrigin { .. })) => plain(404, ""),
        Err(CosignError::Refused(Refusal::NotSigned { .. } | Refusal::BadSignature { .. })) => plain(403, ""),
        Err(CosignError::Refused(_)) => plain(422, ""),
        Err(_) => plain(503, ""),
    }
}

/// The newest checkpoint, by its path.
fn shown(running: &Cosigner<MemoryStore>, path: &str) -> Response {
    let log = path.strip_suffix("/checkpoint").and_then(OriginHash::from_hex);
    match log.map(|log| running.checkpoint(&log)) {
        Some(Ok(Some(note))) => Response { body: note, ..plain(200, "") },
        _ => plain(404, ""),
    }
}

fn conflict(latest: TreeSize) -> Response {
    Response { content_type: Some(SIZE_MEDIA_TYPE.to_owned()), ..plain(409, &print_conflict(latest)) }
}

fn plain(status: u16, body: &str) -> Response {
    let content_type = Some("text/plain; charset=utf-8".to_owned());
    Response { status, content_type, retry_after: None, body: Bytes::copy_from_slice(body.as_bytes()) }
}
