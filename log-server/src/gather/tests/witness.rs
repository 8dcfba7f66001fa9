//! Witnesses for tests: good ones, by the rule of `tlog`, and bad ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};
use tlog::note::Signature;
use tlog::witness::{AddCheckpoint, Latest, Refusal, SIZE_MEDIA_TYPE, decide, print_conflict, print_cosignatures};
use tlog::{Hash, TreeSize};

use crate::fixture::ORIGIN;
use crate::gather::transport::{MAX_ANSWER, Request, Response, Transport, TransportError};

/// What a witness does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should.
    Honest,
    /// Nothing answers at its address.
    Dead,
    /// As it should, after a while.
    Slow(Duration),
    /// It answers 200 with what is no signature line.
    Garbage,
    /// Its answer has no end.
    Endless,
    /// It answers 302 with an address at which an honest witness would answer.
    Redirects,
    /// It answers with the line of a key that the policy does not list for it.
    AnothersLine,
    /// A line with its key's name and a wrong signature comes before its good one.
    BadLineFirst,
    /// There are only lines with its keys' names and wrong signatures.
    BadLines,
    /// It states a time this many seconds ahead.
    Ahead(u64),
    /// It says that it has cosigned this size, and shows nothing.
    SaysSize(u64),
    /// It tells the size in a 409 of another type.
    WrongType,
    /// It refuses every proof, and shows an honest head.
    RefusesProofs,
    /// It says that it has cosigned a size far ahead, and shows a head of it that somebody else has signed in the log's name.
    Forges,
    /// It wants to be left alone for so many seconds.
    Busy(u64),
    /// It does not serve what it has cosigned.
    Silent,
    /// It answers with the lines that it made for the same head before, where it did, whatever it has cosigned since: what somebody in
    /// between can do without any key.
    Replays,
}

/// A witness and all that happened to it. Clones are the same witness.
#[derive(Clone, Debug)]
pub(super) struct Witness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Vec<SigningKey>,
    log_keys: Mutex<Vec<VerifierKey>>,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct State {
    manner: Manner,
    latest: Latest,
    stored: Option<SignedCheckpoint>,
    /// The sizes that were submitted, in their order.
    asked: Vec<u64>,
    /// What it answered to each head that it cosigned.
    answered: HashMap<String, Vec<Signature>>,
}

fn cosigner(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

impl Witness {
    /// A witness with keys of both kinds that follows the logs of these keys.
    pub(super) fn new(number: u8, log_keys: Vec<VerifierKey>) -> Self {
        let name = format!("w{number}.test");
        let keys =
            vec![cosigner(&name, Algorithm::CosignatureEd25519, 10 + number), cosigner(&name, Algorithm::CosignatureMlDsa44, 20 + number)];
        let state = State { manner: Manner::Honest, latest: Latest::NEVER, stored: None, asked: Vec::new(), answered: HashMap::new() };
        Witness(Arc::new(Inner { keys, log_keys: Mutex::new(log_keys), state: Mutex::new(state) }))
    }

    /// The policy's lines for it, and the name of its group.
    pub(super) fn policy(&self, number: u8, url: &str) -> (String, String) {
        let [ed, pq] = [&self.0.keys[0], &self.0.keys[1]].map(|key| key.verifier_key().to_string());
        (
            format!("witness w{number}-ed {ed} {url}\nwitness w{number}-pq {pq} {url}\ngroup w{number} any w{number}-ed w{number}-pq\n"),
            format!("w{number}"),
        )
    }

    pub(super) fn behave(&self, manner: Manner) {
        self.0.state.lock().unwrap().manner = manner;
    }

    pub(super) fn follow(&self, log_keys: Vec<VerifierKey>) {
        *self.0.log_keys.lock().unwrap() = log_keys;
    }

    /// The size that it cosigned last.
    pub(super) fn size(&self) -> u64 {
        self.0.state.lock().unwrap().latest.size.as_u64()
    }

    /// The sizes that it was asked to cosign.
    pub(super) fn asked(&self) -> Vec<u64> {
        self.0.state.lock().unwrap().asked.clone()
    }

    /// A copy of what it remembers, as a backup would have it.
    pub(super) fn backup(&self) -> (Latest, Option<SignedCheckpoint>) {
        let state = self.0.state.lock().unwrap();
        (state.latest, state.stored.clone())
    }

    pub(super) fn restore(&self, (latest, stored): (Latest, Option<SignedCheckpoint>)) {
        let mut state = self.0.state.lock().unwrap();
        state.latest = latest;
        state.stored = stored;
    }

    /// What it answers, whatever it is asked over.
    pub(super) fn answer(&self, path: &str, body: Option<&[u8]>) -> Response {
        let mut state = self.0.state.lock().unwrap();
        match body {
            None if state.manner == Manner::Forges => plain(200, forged().to_bytes()),
            None if path.ends_with("/checkpoint") => match &state.stored {
                Some(stored) if state.manner != Manner::Silent => plain(200, stored.to_bytes()),
                _ => plain(404, "unknown log\n"),
            },
            Some(body) if path.ends_with("/add-checkpoint") => self.add_checkpoint(&mut state, body),
            _ => plain(404, "nothing here\n"),
        }
    }

    fn add_checkpoint(&self, state: &mut State, body: &[u8]) -> Response {
        let Ok(request) = AddCheckpoint::parse(body) else { return plain(400, "malformed\n") };
        let size = request.checkpoint().checkpoint().size().as_u64();
        state.asked.push(size);
        let head = request.checkpoint().checkpoint().to_string();
        if let (Manner::Replays, Some(before)) = (state.manner, state.answered.get(&head)) {
            return lines(before);
        }
        let mut now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        match state.manner {
            Manner::Garbage => return plain(200, "<html>not a witness</html>\n"),
            Manner::Endless => return plain(200, vec![b'x'; MAX_ANSWER + 1]),
            Manner::Redirects => return plain(302, ""),
            Manner::SaysSize(said) => return conflict(TreeSize::new(said), SIZE_MEDIA_TYPE),
            Manner::Forges => return conflict(forged().checkpoint().size(), SIZE_MEDIA_TYPE),
            Manner::Busy(seconds) => return Response { retry_after: Some(Duration::from_secs(seconds)), ..plain(429, "later\n") },
            Manner::RefusesProofs => return plain(422, "no\n"),
            Manner::Ahead(seconds) => now += seconds,
            Manner::AnothersLine => {
                let other = cosigner("other.test", Algorithm::CosignatureEd25519, 99);
                return lines(&[other.cosign(request.checkpoint().checkpoint(), now).unwrap()]);
            }
            _ => {}
        }
        let keys: Vec<&SigningKey> = self.0.keys.iter().collect();
        match decide(&request, &state.latest, &self.0.log_keys.lock().unwrap(), &keys, now) {
            Ok(accepted) => {
                state.latest = accepted.latest();
                state.stored = Some(accepted.signed().clone());
                let good = accepted.cosign(&keys).unwrap();
                state.answered.insert(head, good.clone());
                let mut bad = good.clone();
                bad.iter_mut().for_each(|line| *line.bytes.last_mut().unwrap() ^= 1);
                match state.manner {
                    Manner::BadLineFirst => lines(&[bad, good].concat()),
                    Manner::BadLines => lines(&bad),
                    _ => lines(&good),
                }
            }
            Err(Refusal::UnknownOrigin { .. }) => plain(404, "unknown log\n"),
            Err(Refusal::BadSignature { .. } | Refusal::NotSigned { .. }) => plain(403, "not signed\n"),
            Err(Refusal::OldBeyondCheckpoint { .. }) => plain(400, "old\n"),
            Err(Refusal::Conflict { latest, .. }) => {
                conflict(latest, if state.manner == Manner::WrongType { "text/plain" } else { SIZE_MEDIA_TYPE })
            }
            Err(_) => plain(422, "inconsistent\n"),
        }
    }

    pub(super) fn manner(&self) -> Manner {
        self.0.state.lock().unwrap().manner
    }
}

/// A head of the log that its key has not signed.
fn forged() -> SignedCheckpoint {
    let other = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[66; 32]).unwrap();
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(1 << 40), Hash::EMPTY_TREE);
    SignedCheckpoint::sign(&checkpoint, &[&other]).unwrap()
}

fn plain(status: u16, body: impl Into<Bytes>) -> Response {
    Response { status, content_type: Some("text/plain; charset=utf-8".to_owned()), retry_after: None, body: body.into() }
}

fn conflict(latest: TreeSize, media_type: &str) -> Response {
    Response { content_type: Some(media_type.to_owned()), ..plain(409, print_conflict(latest)) }
}

fn lines(lines: &[Signature]) -> Response {
    plain(200, print_cosignatures(lines))
}

/// A network without sockets: witnesses by their prefixes.
#[derive(Clone, Debug, Default)]
pub(super) struct Net(Arc<Mutex<HashMap<String, Witness>>>);

impl Net {
    pub(super) fn add(&self, prefix: &str, witness: Witness) {
        self.0.lock().unwrap().insert(prefix.to_owned(), witness);
    }
}

impl Transport for Net {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let unreachable = || TransportError::Unreachable("connection refused".into());
        let found = self
            .0
            .lock()
            .unwrap()
            .iter()
            .find_map(|(prefix, witness)| request.url.strip_prefix(prefix.as_str()).map(|path| (path.to_owned(), witness.clone())));
        let (path, witness) = found.ok_or_else(unreachable)?;
        match witness.manner() {
            Manner::Dead => return Err(unreachable()),
            Manner::Slow(delay) => tokio::time::sleep(delay).await,
            _ => {}
        }
        let answer = witness.answer(&path, request.body.as_deref());
        if answer.body.len() > MAX_ANSWER { Err(TransportError::TooLarge) } else { Ok(answer) }
    }
}
