//! A server as a process: its threads, its listeners, the order to stop it, and the lines that scripts wait for.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::heaps;
use crate::signals::told_to_stop;

/// How many connections the system holds that were not accepted yet. Beyond it, it drops what a client sends to connect, who tries again a
/// second later at the earliest: with the 128 that are usual, a thousand clients that come at once would wait for seconds. The system may
/// allow less.
const BACKLOG: u32 = 4096;

/// How long threads may go on that wait for a broken disk, once the server has ended.
const LAST_READS: Duration = Duration::from_secs(5);

/// Resolves when the process is told to stop.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a server listens, once it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The public listener.
    pub public: SocketAddr,
    /// Whether the public listener speaks TLS.
    pub tls: bool,
    /// The operations listener.
    pub operations: Option<SocketAddr>,
}

/// A server's listeners. Who connects waits until they are served.
#[derive(Debug)]
pub struct Listeners {
    /// The one for everybody.
    pub public: TcpListener,
    /// The one for whoever runs the server, if it has one.
    pub operations: Option<TcpListener>,
    /// Where they are.
    pub addresses: Addresses,
}

/// A listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {0}: {1}. Choose another address with --listen or --ops-listen")]
pub struct ListenError(SocketAddr, io::Error);

/// A server could not be run, or ended over an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError<E> {
    /// No threads.
    #[error("cannot start the server's threads: {0}")]
    Threads(io::Error),
    /// Nobody could stop it.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The server's own error.
    #[error(transparent)]
    Ended(E),
}

impl Addresses {
    /// Prints them. Scripts wait for these lines.
    pub fn announce(self) {
        let scheme = if self.tls { "https" } else { "http" };
        let mut out = io::stdout().lock();
        // Nobody may be reading; the server runs all the same.
        let _ = writeln!(out, "listening on {scheme}://{}", self.public);
        if let Some(operations) = self.operations {
            let _ = writeln!(out, "operations on http://{operations}");
        }
        let _ = out.flush();
    }
}

impl Listeners {
    /// Opens them; port 0 takes a free one. `tls` says whether the public one shall speak TLS.
    pub async fn open(public: SocketAddr, operations: Option<SocketAddr>, tls: bool) -> Result<Self, ListenError> {
        let (public, public_address) = listen(public)?;
        let (operations, operations_address) = match operations {
            Some(address) => listen(address).map(|(listener, address)| (Some(listener), Some(address)))?,
            None => (None, None),
        };
        Ok(Listeners { public, operations, addresses: Addresses { public: public_address, tls, operations: operations_address } })
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |error| ListenError(address, error);
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A server that is started again need not wait until the connections of the one before are forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    let listener = bound().map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Resolves when the other end is dropped.
pub async fn until_closed(mut stopping: watch::Receiver<()>) {
    while stopping.changed().await.is_ok() {}
}

/// Runs `server` until it ends; it is told when to. `name` is the program's, for messages. The program is started again in the same process
/// first if it has to be told how many heaps to keep, so nothing may have been done yet that must not be done twice.
pub fn run<E, F: Future<Output = Result<(), E>>>(name: &'static str, server: impl FnOnce(Shutdown) -> F) -> Result<(), ProgramError<E>> {
    heaps::keep_few();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ProgramError::Threads)?;
    let ended = runtime.block_on(async {
        let shutdown = Box::pin(told_to_stop(name).map_err(ProgramError::Signals)?);
        Box::pin(server(shutdown)).await.map_err(ProgramError::Ended)
    });
    runtime.shutdown_timeout(LAST_READS);
    ended
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn listeners_take_free_ports_and_an_address_that_is_taken_is_named() {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let Listeners { public, operations, addresses } = Listeners::open(free, Some(free), true).await.unwrap();
        assert_eq!(
            (addresses.public, addresses.operations),
            (public.local_addr().unwrap(), Some(operations.unwrap().local_addr().unwrap()))
        );
        let taken = addresses.public;
        for (public, operations) in [(taken, None), (free, Some(taken))] {
            let refusal = Listeners::open(public, operations, false).await.unwrap_err().to_string();
            assert!(refusal.contains(&taken.to_string()) && refusal.contains("--listen"), "{refusal}");
        }
        assert!(Listeners::open(free, None, false).await.unwrap().operations.is_none());
    }

    #[tokio::test]
    async fn hundreds_may_connect_before_anybody_is_accepted() {
        let Listeners { public, addresses, .. } = Listeners::open(SocketAddr::from(([127, 0, 0, 1], 0)), None, false).await.unwrap();
        let connect = |_| std::net::TcpStream::connect_timeout(&addresses.public, Duration::from_millis(900));
        // All stay open. One too many would be let in a second later, when it tries again.
        let connected: Result<Vec<_>, _> = (0..300).map(connect).collect();
        assert_eq!(connected.unwrap().len(), 300);
        drop(public);
    }
}
