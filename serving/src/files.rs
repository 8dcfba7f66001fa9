//! How many files the process may have open, and how many of them connections may take.
//!
//! The store opens files while it works. If connections took all that the system allows, the store would fail, and with it the server.

use rustix::process::{Resource, getrlimit, setrlimit};

/// For write-ahead logs, listeners, the runtime, and whatever a library opens for a moment.
const RESERVE: u64 = 128;

/// Asks the system for as many files as it will give, and says how many connections may be open at once: `asked`, or fewer where the
/// limit is low. `store` is how many files the store may open.
pub fn room_for_connections(asked: usize, store: u64) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Where even the store does not have its full share, it gets half.
    let others = (store + RESERVE).min(files / 2);
    let room = usize::try_from(files - others).unwrap_or(usize::MAX).max(1);
    if room < asked {
        tracing::warn!(
            asked,
            room,
            "the system allows {files} open files, so fewer connections are taken than configured: see `ulimit -n`"
        );
    }
    asked.min(room)
}
