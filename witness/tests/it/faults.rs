//! Real system calls that fail: a sync with an input/output error, a disk without room.
//!
//! These need `strace`, and the right to mount a file system in memory. Where a machine lacks them the tests say so loudly and pass;
//! with `ACTA_REQUIRE_FAULTS=1`, as in CI, that is a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::TestLog;
use crate::process::{Server, follow, init, keys};

/// Whether the machine can do what a test needs; if not, says so.
fn can(what: &str, probe: &mut Command) -> bool {
    let can = probe.output().is_ok_and(|output| output.status.success());
    if !can {
        assert!(std::env::var_os("ACTA_REQUIRE_FAULTS").is_none(), "{what} is required here");
        println!("SKIPPED: this test needs {what}");
    }
    can
}

/// Grows the log from size `at` on until the witness goes away; gives the size that was cosigned last.
fn cosign_until_it_fails(server: &Server, log: &TestLog, mut at: u64, witness: &Path) -> u64 {
    while at + 1 < 400 {
        let Some(answer) = server.try_add(&log.request(at, at + 1)) else { return at };
        if answer.status == 503 {
            return at;
        }
        answer.assert_cosigned(log, at + 1, &keys(witness));
        at += 1;
    }
    panic!("it never failed");
}

/// A witness without the fault knows what was answered, and perhaps one head more, which nobody got a signature of.
fn check(witness: &Path, log: &TestLog, answered: u64) -> u64 {
    let server = Server::start(witness, &[]);
    let stored: u64 = server.add(&log.request(400, 400)).body.trim().parse().unwrap();
    assert!((answered..=answered + 1).contains(&stored), "{stored} is stored, {answered} was answered");
    server.add(&log.request(stored, stored + 1)).assert_cosigned(log, stored + 1, &keys(witness));
    assert_eq!(server.stop(), Some(0));
    stored + 1
}

#[test]
fn a_sync_that_fails_ends_the_process_and_no_signature_leaves() {
    if !can("strace", Command::new("strace").args(["-qq", "-e", "trace=none", "true"])) {
        return;
    }
    let (home, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 400));
    let witness = home.path().join("w");
    init(&witness);
    follow(&witness, &log);
    let (mut at, mut cosigned) = (0, 0);
    // strace counts for each thread, so this fails the committer's syncs, each in its turn, and some while the store opens.
    for nth in [1, 2, 3, 5, 8] {
        let inject = format!("fdatasync,fsync:error=EIO:when={nth}+");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "--inject", &inject];
        match Server::try_start_under(&strace, &witness, &[]) {
            Err(told) => assert!(!told.contains("panicked"), "{told}"),
            Ok(server) => {
                let before = at;
                at = cosign_until_it_fails(&server, &log, at, &witness);
                cosigned += at - before;
                let messages = server.messages_after_end(Some(1));
                assert!(messages.contains("the witness stopped") && !messages.contains("panicked"), "{messages}");
            }
        }
        at = check(&witness, &log, at);
    }
    assert!(cosigned >= 5, "some commits succeeded before their syncs failed: {cosigned}");
}

/// A file system in memory of a few megabytes; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&at);
        can("the right to mount a file system", &mut mount).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_no_signature_leaves_and_a_restart_goes_on_once_there_is_room() {
    let (home, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 400));
    let Some(disk) = SmallDisk::mount(home.path().join("disk")) else { return };
    let witness = disk.0.join("w");
    init(&witness);
    follow(&witness, &log);
    let server = Server::start(&witness, &[]);
    let ballast = disk.0.join("ballast");
    let free = rustix::fs::statvfs(&disk.0).unwrap();
    fs::write(&ballast, vec![1; usize::try_from((free.f_bavail * free.f_frsize).saturating_sub(200 << 10)).unwrap()]).unwrap();
    let at = cosign_until_it_fails(&server, &log, 0, &witness);
    let messages = server.messages_after_end(Some(1));
    assert!(messages.contains("free space") && !messages.contains("panicked"), "{messages}");
    assert!(at > 0);
    fs::remove_file(ballast).unwrap();
    check(&witness, &log, at);
}
