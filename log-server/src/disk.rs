//! Watching the disk's free space: a log that takes entries in until the disk is full has to stop in the middle of a commit. It stops
//! taking them in before that, and goes on by itself once there is room.

use std::path::PathBuf;
use std::time::Duration;

use crate::log::Log;
use crate::store::Store;

const EVERY: Duration = Duration::from_secs(2);

/// Looks at the free space of the disk under `dir` every two seconds, for ever.
pub(crate) async fn watch<S: Store>(log: Log<S>, dir: PathBuf, min_free: u64) {
    loop {
        match rustix::fs::statvfs(&dir) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                if log.set_disk_full(free < min_free) != (free < min_free) {
                    tracing::warn!(
                        free,
                        min_free,
                        "{}",
                        if free < min_free { "disk nearly full: no new entries" } else { "disk has room again" }
                    );
                }
            }
            Err(error) => tracing::error!(%error, "cannot ask for the disk's free space"),
        }
        tokio::time::sleep(EVERY).await;
    }
}
