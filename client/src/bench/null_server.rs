//! A server that does nothing: it reads each request to its end and says `0`.
//!
//! What the generator reaches against it is the most that it can measure of anybody; a figure of a real server that comes near to this
//! ceiling says more about the generator. It runs on a thread of its own, so that its processor time is counted apart, and it stops when
//! it is dropped.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::process;

/// The longest request that it takes: the largest batch of a log, and its headers.
const LONGEST_REQUEST: usize = 9 << 20;

/// How often the thread tells how much processor time it has used.
const REPORT: Duration = Duration::from_millis(20);

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Cow<'static, str>,
    /// Close the connection after this answer, as servers do now and then.
    pub(crate) close: bool,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Cow<'static, str>>) -> Self {
        Reply { status: 200, body: body.into(), close: false }
    }
}

/// From the path and the body of a request to its answer.
type Handler = dyn Fn(&str, &[u8]) -> Reply + Send + Sync;

/// What the server has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests that were read to their end.
    pub(crate) requests: AtomicU64,
    /// Bytes of their bodies.
    pub(crate) body_bytes: AtomicU64,
    cpu_nanos: AtomicU64,
}

/// The server, while it runs.
pub(crate) struct NullServer {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl NullServer {
    /// Listens on a free port of this machine and says `0` to everything.
    pub(crate) fn start() -> io::Result<Self> {
        Self::answering(|_, _| Reply::ok("0\n"))
    }

    /// The same with other answers.
    pub(crate) fn answering(handler: impl Fn(&str, &[u8]) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel();
        let (say_address, address) = mpsc::channel();
        let shared = Arc::clone(&seen);
        let thread = std::thread::Builder::new().name("null-server".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await;
                let address = listener.as_ref().map_or_else(|error| Err(io::Error::from(error.kind())), TcpListener::local_addr);
                // Whoever asked is waiting for exactly this.
                let _ = say_address.send(address);
                if let Ok(listener) = listener {
                    tokio::select! {
                        () = accept(listener, shared, Arc::new(handler)) => {}
                        _ = stopped => {}
                    }
                }
            });
        })?;
        let address = address.recv().unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::BrokenPipe)))?;
        Ok(NullServer { address, seen, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[cfg(test)]
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Processor time of its thread, as of a moment ago.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.seen.cpu_nanos.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for NullServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NullServer").field("address", &self.address).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends by itself; if it ended by a bug there is nothing more to stop.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>, handler: Arc<Handler>) {
    let mut report = tokio::time::interval(REPORT);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let (seen, handler) = (Arc::clone(&seen), Arc::clone(&handler));
                    // A client that leaves is no error here.
                    tokio::spawn(async move { serve(stream, &seen, &*handler).await.ok() });
                }
            }
            _ = report.tick() => {
                let cpu = u64::try_from(process::thread_cpu().as_nanos()).unwrap_or(u64::MAX);
                seen.cpu_nanos.store(cpu, Ordering::Relaxed);
            }
        }
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, handler: &Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut filled, mut out) = (vec![0; 4 << 10], 0, Vec::new());
    loop {
        let Some(request) = parse(&buffer[..filled])? else {
            if filled == buffer.len() {
                if filled >= LONGEST_REQUEST {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                buffer.resize(2 * filled, 0);
            }
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        seen.requests.fetch_add(1, Ordering::Relaxed);
        seen.body_bytes.fetch_add(u64::try_from(request.body.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let reply = handler(request.path, request.body);
        write_reply(&reply, &mut out);
        let end = request.end;
        stream.write_all(&out).await?;
        if reply.close {
            return Ok(());
        }
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
}

fn write_reply(reply: &Reply, out: &mut Vec<u8>) {
    out.clear();
    let (status, length) = (reply.status, reply.body.len());
    let close = if reply.close { "Connection: close\r\n" } else { "" };
    out.extend_from_slice(format!("HTTP/1.1 {status} \r\n{close}Content-Length: {length}\r\n\r\n{}", reply.body).as_bytes());
}

/// A request that is there to its end.
struct Request<'a> {
    path: &'a str,
    body: &'a [u8],
    end: usize,
}

/// The first request in `bytes`, unless its end has not come yet. Understands what [the generator](super::connection) sends, no more.
fn parse(bytes: &[u8]) -> io::Result<Option<Request<'_>>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| io::ErrorKind::InvalidData)?;
    let path = text.split(' ').nth(1).ok_or(io::ErrorKind::InvalidData)?;
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
    let length: usize = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
    if length > LONGEST_REQUEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let end = head + 4 + length;
    Ok(bytes.get(head + 4..end).map(|body| Request { path, body, end }))
}
