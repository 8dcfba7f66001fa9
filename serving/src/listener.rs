//! Listening: connections in, requests to a handler, and an orderly end.
//!
//! The loop is our own, because each of its bounds is a promise: so many connections and no more (others wait in the operating system's
//! queue), so long to say what one wants, so long without wanting anything. hyper bounds the headers of HTTP/1; but the first bytes, by
//! which HTTP/1 and HTTP/2 are told apart, idle HTTP/2 connections, and clients that do not take their answer are bounded by nothing but
//! the watch over each connection.
//!
//! The end: no new connections, every request that has begun is answered, and whatever is not done by the deadline is cut off.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus::{IntCounter, IntGauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::connection;

pub use crate::clients::{Clients, Counted};

/// The bounds of a listener's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Bytes of headers.
    pub headers: u32,
    /// From connecting to the end of the first request's headers, and from the first to the last byte of a later one's.
    pub header_timeout: Duration,
    /// Without a request on an open connection.
    pub idle_timeout: Duration,
    /// From the order to stop to the end of the last request.
    pub drain_timeout: Duration,
}

/// The instruments of a listener.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Open connections.
    pub open: IntGauge,
    /// Connections that were closed for being slow or idle.
    pub cut: IntCounter,
    /// Connections that were closed because their client had too many.
    pub refused: IntCounter,
}

/// Between two tries to accept when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much of a body one HTTP/2 stream may send ahead of what is read; the largest entry fits.
const STREAM_WINDOW: u32 = 128 << 10;

/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 512 << 10;

/// Bytes of an answer that hyper keeps for one HTTP/2 stream before the client takes them.
const SEND_BUFFER: usize = 64 << 10;

/// Accepts connections until `shutdown` resolves, then drains. `handler` answers one request of a client.
///
/// An answer whose length is not known when it begins is a stream. It is not idle as long as its client takes some of it in each
/// [`Bounds::idle_timeout`], so it has to say something that often, and to end by itself when it is time to stop.
pub async fn run<H, F, B>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    bounds: Bounds,
    clients: Arc<Clients>,
    counters: Counters,
    handler: H,
    shutdown: impl Future<Output = ()>,
) where
    H: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let builder = Arc::new(builder(&bounds));
    let room = Arc::new(Semaphore::new(bounds.connections));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        // Without a word: an answer would take what the limit is there to save.
        let Some(counted) = clients.enter(peer) else {
            counters.refused.inc();
            continue;
        };
        let connection = connection::Connection {
            builder: Arc::clone(&builder),
            handler: handler.clone(),
            tls: tls.clone(),
            bounds,
            counters: counters.clone(),
            stopping: stopping.clone(),
            peer,
        };
        connections.spawn(async move {
            connection.serve(stream).await;
            drop((permit, counted));
        });
    }
    // New connections are refused from here on rather than accepted and forgotten.
    drop(listener);
    stop.send_replace(true);
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(bounds.drain_timeout, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "some requests were not done in time and are cut off");
        connections.shutdown().await;
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole; waiting for more to send would only delay them.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection was gone before it was served");
                return None;
            }
            Some((stream, peer.ip().to_canonical(), permit))
        }
        Err(error) => {
            // Out of descriptors, or the client is gone again. The first does not get better by trying harder.
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended by a bug in this program");
    }
}

fn builder(bounds: &Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let headers = usize::try_from(bounds.headers).unwrap_or(usize::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper starts this clock when it begins to wait for a request, so it bounds idle time; slow headers are for the watch.
        .header_read_timeout(bounds.idle_timeout)
        .max_buf_size(headers)
        .max_headers(64);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .max_header_list_size(bounds.headers)
        // Streams that are opened and reset at once (CVE-2023-44487), and those that we reset (CVE-2025-8671).
        .max_pending_accept_reset_streams(32)
        .max_local_error_reset_streams(256)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        // A client that is gone without a word is found out by a ping.
        .keep_alive_interval(bounds.idle_timeout)
        .keep_alive_timeout(bounds.header_timeout);
    builder
}
