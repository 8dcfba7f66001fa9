//! One connection, and the watch over it.
//!
//! The watch looks once in a while whether the connection still does something: a request came, one is being answered, or the client
//! takes an answer at no less than [`LEAST_TAKEN`] a period. If not, it is closed in the polite way of its protocol, and a moment later
//! for good. Bytes that come in do not count: a client that sends a letter now and then is what the watch is for. On the contrary: with
//! HTTP/1, bytes that come in between requests begin a request, and there is a time by which it has to be there.
//!
//! A stream, which is an answer without a length, says little for long; there it is enough that the client takes anything at all.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::listener::{Bounds, Counters};

/// How many bytes of answers a client has to take in a period without a request. Less than that is not reading.
const LEAST_TAKEN: u64 = 64 << 10;

/// Between the polite and the final end of a connection that does nothing.
const GRACE: Duration = Duration::from_secs(1);

/// What a connection needs to be served.
pub(crate) struct Connection<H> {
    pub(crate) builder: Arc<Builder<TokioExecutor>>,
    pub(crate) handler: H,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) bounds: Bounds,
    pub(crate) counters: Counters,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) peer: IpAddr,
}

/// What happened on a connection so far.
#[derive(Debug)]
struct Activity {
    requests: AtomicU64,
    in_progress: AtomicUsize,
    streams: AtomicUsize,
    written: AtomicU64,
    /// Milliseconds after [`Activity::start`], and one more, at which the headers began that are not complete; 0 if there are none.
    headers_since: AtomicU64,
    /// How the connection begins: [`UNKNOWN`], [`MAYBE_HTTP_2`], [`HTTP_1`] or [`HTTP_2`].
    protocol: AtomicU8,
    start: Instant,
}

/// A connection on which nothing came yet.
const UNKNOWN: u8 = 0;

/// A connection on which one letter came.
const MAYBE_HTTP_2: u8 = 3;

/// A connection that begins otherwise than HTTP/2.
const HTTP_1: u8 = 1;

/// A connection that begins as only HTTP/2 does. It has frames that come without a request, and hyper bounds their headers.
const HTTP_2: u8 = 2;

/// A look at [`Activity`].
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    requests: u64,
    written: u64,
}

impl<H, F, B> Connection<H>
where
    H: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    /// Serves it to its end.
    pub(crate) async fn serve(mut self, stream: TcpStream) {
        self.counters.open.inc();
        let _open = Open(self.counters.open.clone());
        match self.tls.take() {
            None => self.requests(stream).await,
            Some(tls) => match timeout(self.bounds.header_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.requests(stream).await,
                // Scanners do this all day.
                Ok(Err(error)) => tracing::debug!(%error, "no TLS connection came about"),
                Err(_) => self.counters.cut.inc(),
            },
        }
    }

    async fn requests(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Connection { builder, handler, bounds, counters, mut stopping, peer, .. } = self;
        let activity = Arc::new(Activity::new());
        let service = service_fn({
            let activity = Arc::clone(&activity);
            move |request: Request<Incoming>| {
                let (answer, in_progress) = (handler(peer, request), InProgress::begin(&activity));
                let activity = Arc::clone(&activity);
                async move {
                    let answer = answer.await.map(|body| Counted::new(body, &activity));
                    drop(in_progress);
                    Ok::<_, Infallible>(answer)
                }
            }
        });
        let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut look = pin!(sleep(bounds.header_timeout));
        let (mut seen, mut closing) = (Seen::default(), false);
        let mut idle_look = Instant::now() + bounds.header_timeout;
        let mut stop_seen = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                // The sender outlives all connections, so an error cannot happen; if it did, stopping would be right.
                _ = stopping.wait_for(|stop| *stop), if !stop_seen => {
                    stop_seen = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = look.as_mut() => {
                    let now = Instant::now();
                    let next = if closing {
                        return;
                    } else if activity.has_slow_headers(bounds.header_timeout) || (now >= idle_look && activity.is_idle_since(&mut seen)) {
                        counters.cut.inc();
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                        GRACE
                    } else {
                        if now >= idle_look {
                            idle_look = now + bounds.idle_timeout;
                        }
                        bounds.header_timeout.min(idle_look - now)
                    };
                    look.as_mut().reset(now + next);
                }
            }
        }
    }
}

impl Activity {
    fn new() -> Self {
        Activity {
            requests: AtomicU64::new(0),
            in_progress: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            written: AtomicU64::new(0),
            headers_since: AtomicU64::new(0),
            protocol: AtomicU8::new(UNKNOWN),
            start: Instant::now(),
        }
    }

    /// Takes note of bytes that came in.
    fn read(&self, bytes: &[u8]) {
        // No method of ours begins like the preface of HTTP/2.
        let protocol = match (self.protocol.load(Ordering::Relaxed), bytes) {
            (UNKNOWN, b"P") => MAYBE_HTTP_2,
            (UNKNOWN, [b'P', b'R', ..]) | (MAYBE_HTTP_2, [b'R', ..]) => HTTP_2,
            (UNKNOWN | MAYBE_HTTP_2, _) => HTTP_1,
            (known, _) => known,
        };
        self.protocol.store(protocol, Ordering::Relaxed);
        let between = self.in_progress.load(Ordering::Relaxed) == 0 && self.headers_since.load(Ordering::Relaxed) == 0;
        if between && protocol == HTTP_1 {
            self.headers_since.store(self.now() + 1, Ordering::Relaxed);
        }
    }

    /// Whether headers have been on their way for too long.
    fn has_slow_headers(&self, most: Duration) -> bool {
        let since = self.headers_since.load(Ordering::Relaxed);
        since > 0 && Duration::from_millis(self.now().saturating_sub(since - 1)) >= most
    }

    /// Milliseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether nothing happened since the last look, and remembers this one.
    fn is_idle_since(&self, seen: &mut Seen) -> bool {
        let now = Seen { requests: self.requests.load(Ordering::Relaxed), written: self.written.load(Ordering::Relaxed) };
        let before = std::mem::replace(seen, now);
        let answering = self.in_progress.load(Ordering::Relaxed) > 0;
        let least = if self.streams.load(Ordering::Relaxed) > 0 { 1 } else { LEAST_TAKEN };
        !answering && now.requests == before.requests && now.written - before.written < least
    }
}

/// Counts a connection until it is dropped.
struct Open(prometheus::IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a request until it is dropped, answered or not.
struct InProgress(Arc<Activity>);

impl InProgress {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.in_progress.fetch_add(1, Ordering::Relaxed);
        activity.headers_since.store(0, Ordering::Relaxed);
        InProgress(Arc::clone(activity))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which counts as a stream until it is dropped if its length is not known.
struct Counted<B> {
    body: B,
    _stream: Option<Streaming>,
}

/// Counts a stream until it is dropped.
struct Streaming(Arc<Activity>);

impl<B: Body> Counted<B> {
    fn new(body: B, activity: &Arc<Activity>) -> Self {
        let stream = body.size_hint().exact().is_none().then(|| {
            activity.streams.fetch_add(1, Ordering::Relaxed);
            Streaming(Arc::clone(activity))
        });
        Counted { body, _stream: stream }
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose written bytes are counted.
struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    fn count(&self, written: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.activity.written.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
            // The client takes an answer. What it sent meanwhile is not looked at, so that it cannot be late.
            self.activity.headers_since.store(0, Ordering::Relaxed);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.activity.read(bytes);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[std::io::IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
