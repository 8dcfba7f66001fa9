//! One connection, and the watch over it.
//!
//! The watch looks once in a while whether the connection still does something: a request came, one is being answered, or the client
//! takes an answer at no less than [`LEAST_TAKEN`] a period. If not, it is closed in the polite way of its protocol, and a moment later
//! for good. Bytes that come in do not count: a client that sends a letter now and then is what the watch is for.

use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{Bounds, Counters};
use crate::http::Answer;

/// How many bytes of answers a client has to take in a period without a request. Less than that is not reading.
const LEAST_TAKEN: u64 = 64 << 10;

/// Between the polite and the final end of a connection that does nothing.
const GRACE: Duration = Duration::from_secs(1);

/// What a connection needs to be served.
pub(super) struct Connection<H> {
    pub(super) builder: Arc<Builder<TokioExecutor>>,
    pub(super) handler: H,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) bounds: Bounds,
    pub(super) counters: Counters,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) peer: IpAddr,
}

/// What happened on a connection so far.
#[derive(Debug, Default)]
struct Activity {
    requests: AtomicU64,
    in_progress: AtomicUsize,
    written: AtomicU64,
}

/// A look at [`Activity`].
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    requests: u64,
    written: u64,
}

impl<H, F> Connection<H>
where
    H: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    /// Serves it to its end.
    pub(super) async fn serve(mut self, stream: TcpStream) {
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
        let activity = Arc::new(Activity::default());
        let service = service_fn({
            let activity = Arc::clone(&activity);
            move |request: Request<Incoming>| {
                let (answer, in_progress) = (handler(peer, request), InProgress::begin(&activity));
                async move {
                    let answer = answer.await;
                    drop(in_progress);
                    Ok::<Answer, std::convert::Infallible>(answer)
                }
            }
        });
        let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut look = pin!(sleep(bounds.header_timeout));
        let (mut seen, mut closing) = (Seen::default(), false);
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
                    let next = if closing {
                        return;
                    } else if activity.is_idle_since(&mut seen) {
                        counters.cut.inc();
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                        GRACE
                    } else {
                        bounds.idle_timeout
                    };
                    look.as_mut().reset(Instant::now() + next);
                }
            }
        }
    }
}

impl Activity {
    /// Whether nothing happened since the last look, and remembers this one.
    fn is_idle_since(&self, seen: &mut Seen) -> bool {
        let now = Seen { requests: self.requests.load(Ordering::Relaxed), written: self.written.load(Ordering::Relaxed) };
        let before = std::mem::replace(seen, now);
        let answering = self.in_progress.load(Ordering::Relaxed) > 0;
        !answering && now.requests == before.requests && now.written - before.written < LEAST_TAKEN
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
        InProgress(Arc::clone(activity))
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose written bytes are counted.
struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    fn count(&self, written: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.activity.written.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
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
