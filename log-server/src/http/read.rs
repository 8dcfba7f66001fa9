//! Reading: the head, tiles, bundles of entries, receipts.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, RETRY_AFTER, VARY};
use hyper::{Response, StatusCode};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tlog::tiles::{BundleId, Entries, Resource, TileId};
use tlog::{Hash, LeafIndex};

use super::Site;
use super::negotiation::{self, Coding};
use super::problem::Problem;
use crate::log::{Log, ReadError};
use crate::store::Store;
use serving::response::{self, Answer, IMMUTABLE};

/// Which compressed bundle.
pub(super) type CompressedKey = (BundleId, Coding);

const OCTETS: &str = "application/octet-stream";

/// A checkpoint is a signed note. SPEC: tlog-tiles §Checkpoints
const NOTE: &str = "text/plain; charset=utf-8";

/// A quarter of the time of the default level for nearly the same size: whatever is asked for often is compressed once.
const ZSTD_LEVEL: i32 = 3;

impl<S: Store> Site<S> {
    pub(super) fn checkpoint(&self, headers: &HeaderMap) -> Answer {
        let head = self.log.published();
        let bytes = head.bytes();
        // The same size may get more signatures, so the tag is of the bytes. Half a hash is enough to tell versions apart.
        let tag = format!("\"{}\"", &Hash::sha256(&bytes).to_hex()[..32]);
        let mut answer = response::public(NOTE, self.short_lived(), bytes);
        if negotiation::has_version(headers, &tag) {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.body_mut() = http_body_util::Full::default();
        }
        answer.headers_mut().insert(ETAG, HeaderValue::try_from(tag).expect("quotes and hexadecimal digits"));
        answer
    }

    pub(super) async fn tile(&self, id: TileId) -> Result<Answer, Problem> {
        let bytes = match self.log.cached(Resource::Tile(id)) {
            Some(bytes) => bytes,
            None => self.readers.read(Resource::Tile(id), None).await?.0.ok_or(Problem::NotInTree)?,
        };
        self.public(OCTETS, IMMUTABLE, bytes)
    }

    pub(super) async fn bundle(&self, id: BundleId, headers: &HeaderMap) -> Result<Answer, Problem> {
        let compressed = match Coding::accepted(headers) {
            Some(coding) => self.compressed_bundle(id, coding).await?,
            None => None,
        };
        let (bytes, coding) = match compressed {
            Some((bytes, coding)) => (bytes, Some(coding)),
            None => (self.plain_bundle(id).await?, None),
        };
        let mut answer = response::public(OCTETS, IMMUTABLE, bytes);
        if let Some(coding) = coding {
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
        Ok(answer)
    }

    /// A bundle as it is, with memory for it.
    pub(super) async fn plain_bundle(&self, id: BundleId) -> Result<Bytes, Problem> {
        if let Some(bytes) = self.log.cached(Resource::Bundle(id)) {
            return self.answers.hold(bytes);
        }
        let assembling = Arc::clone(&self.assembling).acquire_owned().await.expect("the semaphore is never closed");
        // The permit goes with the bytes until there are others for them.
        let (bytes, _assembling) = self.readers.read(Resource::Bundle(id), Some(assembling)).await?;
        self.answers.hold(bytes.ok_or(Problem::NotInTree)?)
    }

    /// A bundle after compression, with memory for it. None if it is not there and all processors are compressing: a client that gets
    /// more bytes is better off than one that waits for others', and whoever asks for many keeps no more than that busy.
    async fn compressed_bundle(&self, id: BundleId, coding: Coding) -> Result<Option<(Bytes, Coding)>, Problem> {
        if let Some(bytes) = self.compressed.get(&(id, coding)) {
            return Ok(Some((self.answers.hold(bytes)?, coding)));
        }
        let Ok(compressing) = Arc::clone(&self.compressing).try_acquire_owned() else { return Ok(None) };
        let assembling = Arc::clone(&self.assembling).acquire_owned().await.expect("the semaphore is never closed");
        // Compressing takes milliseconds, so that it is done where reading is done even if the bundle is in memory.
        // The permits go with it, also when the client leaves meanwhile.
        let read = move |log: Log<S>| {
            let _compressing = compressing;
            Ok((read_bundle(&log, id)?.map(|bytes| compress(&bytes, coding)), assembling))
        };
        let (bytes, _assembling) = self.read_disk(read).await?;
        let bytes = bytes.ok_or(Problem::NotInTree)?;
        if id.is_full() {
            self.compressed.insert((id, coding), bytes.clone());
        }
        Ok(Some((self.answers.hold(bytes)?, coding)))
    }

    pub(super) async fn proof(&self, index: LeafIndex) -> Result<Answer, Problem> {
        if !self.log.published().size().contains(index) {
            return Err(Problem::NotYetPublished);
        }
        let proof = self.read_disk(move |log| Ok(log.receipt(index)?.map(|proof| proof.to_bytes()))).await?;
        self.receipt(proof.ok_or(Problem::NotYetPublished)?)
    }

    pub(super) async fn proof_of_leaf(&self, leaf: Hash) -> Result<Answer, Problem> {
        let found = self
            .read_disk(move |log| {
                let Some(index) = log.find(&leaf)? else { return Ok(None) };
                Ok(Some(log.receipt(index)?.map(|proof| proof.to_bytes())))
            })
            .await?;
        self.receipt(found.ok_or(Problem::UnknownLeaf)?.ok_or(Problem::NotYetPublished)?)
    }

    pub(super) async fn head_covering(&self, index: LeafIndex) -> Result<Answer, Problem> {
        if !self.log.published().size().contains(index) {
            return Err(Problem::NotYetPublished);
        }
        let head = self.read_disk(move |log| log.head_covering(index)).await?.ok_or(Problem::NotYetPublished)?;
        self.public(NOTE, self.short_lived(), head)
    }

    fn receipt(&self, proof: Vec<u8>) -> Result<Answer, Problem> {
        self.public(negotiation::RECEIPT, self.short_lived(), Bytes::from(proof))
    }

    /// An answer for everybody, if there is memory for it.
    pub(super) fn public(&self, content_type: &'static str, cache: HeaderValue, body: Bytes) -> Result<Answer, Problem> {
        Ok(response::public(content_type, cache, self.answers.hold(body)?))
    }

    /// Runs something that may wait for the disk, on a thread for that.
    pub(super) async fn read_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(Log<S>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = Arc::clone(&self.disk_reads).acquire_owned().await.expect("the semaphore is never closed");
        let log = self.log.clone();
        let read = tokio::task::spawn_blocking(move || {
            // Held by the thread: a client that leaves does not make the disk any faster.
            let _permit = permit;
            read(log)
        });
        match read.await {
            Ok(result) => Ok(result?),
            Err(error) => {
                tracing::error!(%error, "a read from the store ended without a result");
                Err(Problem::Internal)
            }
        }
    }

    /// How long a head, or what is made under the newest one, may be cached.
    fn short_lived(&self) -> HeaderValue {
        HeaderValue::try_from(format!("public, max-age={}", self.config.checkpoint_max_age.as_secs())).expect("ASCII")
    }
}

/// A tile or bundle from cache or store; `None` if the published tree does not have it.
pub(super) fn resource<S: Store>(log: &Log<S>, resource: Resource) -> Result<Option<Bytes>, ReadError> {
    match resource {
        Resource::Tile(id) => log.tile(id),
        Resource::Bundle(id) => read_bundle(log, id),
    }
}

/// A bundle from cache or store. A part of a bundle that is complete by now is cut from the whole, which then is in the cache: without
/// that, each of 255 parts would be read from the store each time.
fn read_bundle<S: Store>(log: &Log<S>, id: BundleId) -> Result<Option<Bytes>, ReadError> {
    if id.is_full() || !id.full().is_within(log.published().size()) {
        return log.bundle(id);
    }
    Ok(log.bundle(id.full())?.map(|bytes| cut(&bytes, id.width())))
}

/// The first `width` entries of a bundle. A copy: a slice would keep all of it in memory and count as its own length.
fn cut(bundle: &[u8], width: u16) -> Bytes {
    let length = Entries::new(bundle).take(width.into()).flatten().map(|entry| entry.len() + 2).sum();
    Bytes::copy_from_slice(bundle.get(..length).unwrap_or(bundle))
}

/// What `/add` answers: the index and a newline.
pub(super) fn index_line(index: LeafIndex) -> Bytes {
    let mut line = index.to_string();
    line.push('\n');
    Bytes::from(line)
}

/// 200 with the index.
pub(super) fn added(index: LeafIndex) -> Answer {
    let mut answer: Response<_> = response::plain(StatusCode::OK, NOTE, index_line(index));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The index, for a client that waited in vain for the head that covers it.
pub(super) fn index_for_now(index: LeafIndex) -> Answer {
    let mut answer = response::plain(StatusCode::ACCEPTED, NOTE, index_line(index));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    let location = format!("/proof/{index}");
    headers.insert(hyper::header::LOCATION, HeaderValue::try_from(location).expect("a path of ASCII digits"));
    answer
}

/// Counts a compressed bundle by its bytes.
#[derive(Clone, Debug)]
pub(super) struct ByBytes;

impl Weighter<CompressedKey, Bytes> for ByBytes {
    fn weight(&self, _: &CompressedKey, bytes: &Bytes) -> u64 {
        u64::try_from(bytes.len()).unwrap_or(u64::MAX)
    }
}

pub(super) fn compressed_cache(bytes: u64) -> Cache<CompressedKey, Bytes, ByBytes> {
    let items = usize::try_from(bytes / 16_384).unwrap_or(usize::MAX).clamp(16, 1 << 20);
    Cache::with_weighter(items, bytes, ByBytes)
}

fn compress(bytes: &[u8], coding: Coding) -> Bytes {
    let compressed = match coding {
        Coding::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 2), flate2::Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
    };
    Bytes::from(compressed.expect("compressing from memory to memory has nothing to fail on"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn whoever_waited_in_vain_learns_index_and_where_the_receipt_will_be() {
        let answer = index_for_now(LeafIndex::new(7));
        assert_eq!(answer.status(), 202);
        assert_eq!((&answer.headers()["location"], &answer.headers()["retry-after"]), (&"/proof/7".parse().unwrap(), &1.into()));
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "7\n");
    }
}
