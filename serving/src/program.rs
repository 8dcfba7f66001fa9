//! A server as a process: its threads, the order to stop it, and the lines that scripts wait for.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use crate::signals::told_to_stop;

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

/// Runs `server` until it ends; it is told when to. `name` is the program's, for messages.
pub fn run<E, F: Future<Output = Result<(), E>>>(name: &'static str, server: impl FnOnce(Shutdown) -> F) -> Result<(), ProgramError<E>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ProgramError::Threads)?;
    let ended = runtime.block_on(async {
        let shutdown = Box::pin(told_to_stop(name).map_err(ProgramError::Signals)?);
        Box::pin(server(shutdown)).await.map_err(ProgramError::Ended)
    });
    runtime.shutdown_timeout(LAST_READS);
    ended
}
