//! `/ct/v1/…`: the calls of RFC 6962 section 4 that read, over the same tree, for tools of that generation.
//!
//! An entry here is not a certificate: `leaf_input` is the entry itself, whose SHA-256 behind a zero byte is its leaf hash, as RFC 6962 has it
//! for its own leaves; `extra_data` is empty. So everything that hashes and proves works, and what looks into entries does not.
//!
//! Here alone the query has a meaning, so nothing of this may be cached. Errors are of section 4's form, not RFC 9457's.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde::Serialize;
use serving::response::{self, Answer};
use tlog::tiles::{BundleId, Entries};
use tlog::{Hash, LeafIndex, TreeSize};

use super::Site;
use super::problem::Problem;
use crate::store::Store;

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    TreeHead,
    Consistency,
    ProofByHash,
    Entries,
    EntryAndProof,
}

/// No more bytes of entries in an answer, but for the first entry.
// SPEC: RFC 6962 §4.6: logs MAY restrict the number of entries that can be retrieved per request.
const MAX_ENTRIES: usize = 1 << 20;

/// Why there is no answer of the usual form.
enum Failed {
    /// The client's mistake.
    Client(StatusCode, Cow<'static, str>),
    /// Something that every call can run into.
    Problem(Problem),
}

#[derive(Serialize)]
struct Error<'a> {
    error_message: &'a str,
}

#[derive(Serialize)]
struct SignedTreeHead {
    tree_size: u64,
    timestamp: u64,
    sha256_root_hash: String,
    tree_head_signature: String,
}

#[derive(Serialize)]
struct Consistency {
    consistency: Vec<String>,
}

#[derive(Serialize)]
struct ProofByHash {
    leaf_index: u64,
    audit_path: Vec<String>,
}

#[derive(Serialize)]
struct EntriesAnswer {
    entries: Vec<LeafEntry>,
}

#[derive(Serialize)]
struct LeafEntry {
    leaf_input: String,
    extra_data: &'static str,
}

#[derive(Serialize)]
struct EntryAndProof {
    leaf_input: String,
    extra_data: &'static str,
    audit_path: Vec<String>,
}

impl Call {
    /// What comes behind `/ct/v1/`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "get-sth" => Some(Call::TreeHead),
            "get-sth-consistency" => Some(Call::Consistency),
            "get-proof-by-hash" => Some(Call::ProofByHash),
            "get-entries" => Some(Call::Entries),
            "get-entry-and-proof" => Some(Call::EntryAndProof),
            _ => None,
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Failed::Problem(problem)
    }
}

impl<S: Store> Site<S> {
    pub(super) async fn rfc6962(&self, call: Call, query: Option<&str>) -> Result<Answer, Problem> {
        let query = query.unwrap_or_default();
        let answer = match call {
            Call::TreeHead => self.get_sth().await,
            Call::Consistency => self.get_sth_consistency(query).await,
            Call::ProofByHash => self.get_proof_by_hash(query).await,
            Call::Entries => self.get_entries(query).await,
            Call::EntryAndProof => self.get_entry_and_proof(query).await,
        };
        match answer {
            Ok(body) => Ok(json(StatusCode::OK, self.answers.hold(body)?)),
            Err(Failed::Client(status, message)) => Ok(json(status, to_json(&Error { error_message: &message })?)),
            Err(Failed::Problem(problem)) => Err(problem),
        }
    }

    async fn get_sth(&self) -> Result<Bytes, Failed> {
        let Some(heads) = self.tree_heads.clone() else {
            let message = "this log signs no tree heads as RFC 6962 has them: its signed heads are at /checkpoint (C2SP tlog-checkpoint)";
            return Err(Failed::Client(StatusCode::NOT_FOUND, message.into()));
        };
        let published = self.log.published();
        let signed = self
            .read_disk(move |_| Ok(heads.sign(published.size(), published.root(), std::time::SystemTime::now())))
            .await?
            .map_err(|error| {
                tracing::error!("no tree head was signed: {error}");
                Problem::Internal
            })?;
        Ok(to_json(&SignedTreeHead {
            tree_size: signed.size.as_u64(),
            timestamp: signed.timestamp,
            sha256_root_hash: STANDARD.encode(signed.root.as_bytes()),
            tree_head_signature: STANDARD.encode(&signed.signature),
        })?)
    }

    async fn get_sth_consistency(&self, query: &str) -> Result<Bytes, Failed> {
        let (first, second) = (number(query, "first")?, number(query, "second")?);
        if first == 0 {
            return Err(bad("'first' cannot be 0: every tree begins with the empty one, so there is nothing to prove"));
        }
        if first > second {
            return Err(bad("'first' cannot be greater than 'second'"));
        }
        self.within_published("second", second)?;
        let (first, second) = (TreeSize::new(first), TreeSize::new(second));
        let proof = self.read_disk(move |log| log.consistency(first, second)).await?.ok_or(Problem::NotYetPublished)?;
        Ok(to_json(&Consistency { consistency: base64(&proof) })?)
    }

    async fn get_proof_by_hash(&self, query: &str) -> Result<Bytes, Failed> {
        let hash = parameter(query, "hash")?;
        let hash = STANDARD.decode(hash.as_bytes()).ok().and_then(|bytes| Hash::try_from(bytes.as_slice()).ok());
        let hash =
            hash.ok_or_else(|| bad("'hash' must be a leaf hash of 32 bytes in base64, percent-encoded: + is %2B, / is %2F, = is %3D"))?;
        let size = number(query, "tree_size")?;
        self.within_published("tree_size", size)?;
        let size = TreeSize::new(size);
        let found = self
            .read_disk(move |log| match log.find(&hash)?.filter(|index| size.contains(*index)) {
                Some(index) => Ok(log.inclusion(index, size)?.map(|proof| (index, proof))),
                None => Ok(None),
            })
            .await?;
        let (index, proof) = found.ok_or_else(|| {
            let message = "the tree of that size has no entry with this leaf hash, which is SHA-256 of a zero byte and the entry";
            Failed::Client(StatusCode::NOT_FOUND, message.into())
        })?;
        Ok(to_json(&ProofByHash { leaf_index: index.as_u64(), audit_path: base64(&proof) })?)
    }

    async fn get_entries(&self, query: &str) -> Result<Bytes, Failed> {
        let (start, end) = (number(query, "start")?, number(query, "end")?);
        if start > end {
            return Err(bad("'start' cannot be greater than 'end'"));
        }
        let size = self.log.published().size();
        if !size.contains(LeafIndex::new(start)) {
            return Err(bad(format!("'start' must be below {size}, which is how many entries the log has")));
        }
        let id = BundleId::for_size(start / 256, size).ok_or(Problem::NotYetPublished)?;
        let bundle = self.plain_bundle(id).await?;
        let first = id.first_index().as_u64();
        let wanted = (first..).zip(Entries::new(&bundle)).skip_while(|(index, _)| *index < start).take_while(|(index, _)| *index <= end);
        let mut room = MAX_ENTRIES;
        let mut entries = Vec::new();
        for (_, entry) in wanted {
            let entry = entry.map_err(|_| Problem::Internal)?;
            if entry.len() > room && !entries.is_empty() {
                break;
            }
            room = room.saturating_sub(entry.len());
            entries.push(LeafEntry { leaf_input: STANDARD.encode(entry), extra_data: "" });
        }
        Ok(to_json(&EntriesAnswer { entries })?)
    }

    async fn get_entry_and_proof(&self, query: &str) -> Result<Bytes, Failed> {
        let (index, size) = (number(query, "leaf_index")?, number(query, "tree_size")?);
        if index >= size {
            return Err(bad("'leaf_index' must be below 'tree_size'"));
        }
        self.within_published("tree_size", size)?;
        let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
        let id = BundleId::new(index.as_u64() / 256, u16::try_from(index.as_u64() % 256 + 1).unwrap_or(256));
        let bundle = self.plain_bundle(id.ok_or(Problem::NotYetPublished)?).await?;
        let entry = Entries::new(&bundle).last().and_then(Result::ok).ok_or(Problem::Internal)?;
        let proof = self.read_disk(move |log| log.inclusion(index, size)).await?.ok_or(Problem::NotYetPublished)?;
        Ok(to_json(&EntryAndProof { leaf_input: STANDARD.encode(entry), extra_data: "", audit_path: base64(&proof) })?)
    }

    fn within_published(&self, name: &str, size: u64) -> Result<(), Failed> {
        let published = self.log.published().size();
        if size <= published.as_u64() {
            return Ok(());
        }
        Err(bad(format!("'{name}' must be at most {published}, which is how many entries the log has")))
    }
}

fn bad(message: impl Into<Cow<'static, str>>) -> Failed {
    Failed::Client(StatusCode::BAD_REQUEST, message.into())
}

/// The value of a parameter, which must be there once.
fn parameter<'q>(query: &'q str, name: &str) -> Result<Cow<'q, str>, Failed> {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => unescape(value).ok_or_else(|| bad(format!("'{name}' is not percent-encoded well"))),
        (None, _) => Err(bad(format!("'{name}' is missing"))),
        (Some(_), Some(_)) => Err(bad(format!("'{name}' is there more than once"))),
    }
}

fn number(query: &str, name: &str) -> Result<u64, Failed> {
    let value = parameter(query, name)?;
    let digits = !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| value.parse().ok()).flatten().ok_or_else(|| bad(format!("'{name}' must be a number in decimal digits, below 2^64")))
}

/// Undoes percent-encoding (RFC 3986 section 2.1).
fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let digits = digits.bytes().all(|c| c.is_ascii_hexdigit()).then_some(digits)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect()
}

fn to_json(value: &impl Serialize) -> Result<Bytes, Problem> {
    let mut body = serde_json::to_vec(value).map_err(|_| Problem::Internal)?;
    body.push(b'\n');
    Ok(body.into())
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = response::plain(status, "application/json", body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response::shared(&mut answer);
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn refusal<T>(result: Result<T, Failed>) -> String {
        match result {
            Err(Failed::Client(StatusCode::BAD_REQUEST, message)) => message.into_owned(),
            _ => panic!("not refused as the client's mistake"),
        }
    }

    #[test]
    fn a_parameter_is_there_once_and_is_a_number_in_digits() {
        assert_eq!(number("first=7&second=9", "second").ok(), Some(9));
        assert_eq!(number("other&first=%37", "first").ok(), Some(7));
        for (query, why) in [
            ("", "missing"),
            ("first", "missing"),
            ("First=7", "missing"),
            ("first=", "decimal digits"),
            ("first=+7", "decimal digits"),
            ("first=-7", "decimal digits"),
            ("first=7a", "decimal digits"),
            ("first=18446744073709551616", "decimal digits"),
            ("first=1&first=1", "more than once"),
            ("first=%3", "percent-encoded"),
            ("first=%zz", "percent-encoded"),
            ("first=%+7", "percent-encoded"),
            ("first=%ff", "percent-encoded"),
        ] {
            let message = refusal(number(query, "first"));
            assert!(message.contains(why), "{query}: {message}");
        }
    }

    #[test]
    fn percent_encoding_is_undone_and_a_plus_stays_one() {
        assert_eq!(unescape("a%2Bb+c%2f%3D").as_deref(), Some("a+b+c/="));
        assert_eq!(unescape("%c3%a9").as_deref(), Some("é"));
        assert_eq!(unescape("%é"), None);
    }
}
