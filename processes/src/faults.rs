//! Real system calls that fail: a sync with an input/output error, a disk without room.
//!
//! These need `strace`, and the right to mount a file system in memory. Where a machine lacks them this says so loudly and the test passes;
//! with `ACTA_REQUIRE_FAULTS=1`, as in CI, that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Program;

/// A file system in memory of a few megabytes; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Makes the directory `at` and mounts it; `None` if this machine does not let us.
    pub fn mount(at: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(&at);
        can("the right to mount a file system", &mut mount).then_some(SmallDisk(at))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Whether syncs can be made to fail here.
pub fn syncs_can_fail() -> bool {
    can("strace", Command::new("strace").args(["-qq", "-e", "trace=none", "true"]))
}

impl Program {
    /// The same, where in each thread every sync from the `nth` on fails.
    #[must_use]
    pub fn with_failing_syncs(&self, nth: u64) -> Self {
        let inject = format!("fdatasync,fsync:error=EIO:when={nth}+");
        self.under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "--inject", &inject])
    }
}

/// Whether the machine can do what a test needs; if not, says so.
fn can(what: &str, probe: &mut Command) -> bool {
    let can = probe.output().is_ok_and(|output| output.status.success());
    if !can {
        assert!(std::env::var_os("ACTA_REQUIRE_FAULTS").is_none(), "{what} is required here");
        println!("SKIPPED: this test needs {what}");
    }
    can
}
