//! Real system calls that fail, see [`processes::faults`]: a sync with an input/output error, a disk without room.

use std::fs;
use std::path::Path;

use processes::faults::{SmallDisk, syncs_can_fail};

use crate::fixture::TestLog;
use crate::process::{Server, follow, init, keys, program};

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
    let mut server = Server::start(witness, &[]);
    let stored: u64 = server.add(&log.request(400, 400)).body.trim().parse().unwrap();
    assert!((answered..=answered + 1).contains(&stored), "{stored} is stored, {answered} was answered");
    server.add(&log.request(stored, stored + 1)).assert_cosigned(log, stored + 1, &keys(witness));
    assert_eq!(server.stop(), Some(0));
    stored + 1
}

#[test]
fn a_sync_that_fails_ends_the_process_and_no_signature_leaves() {
    if !syncs_can_fail() {
        return;
    }
    let (home, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 400));
    let witness = home.path().join("w");
    init(&witness);
    follow(&witness, &log);
    let (mut at, mut cosigned) = (0, 0);
    // strace counts for each thread, so this fails the committer's syncs, each in its turn, and some while the store opens. Where commits
    // are far apart, as on a busy machine, each has two: the store's and the anchor's.
    for nth in [1, 2, 3, 5, 8, 12] {
        match Server::try_start_as(&program().with_failing_syncs(nth), &witness, &[]) {
            Err(told) => assert!(!told.contains("panicked"), "{told}"),
            Ok(mut server) => {
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

#[test]
fn on_a_full_disk_no_signature_leaves_and_a_restart_goes_on_once_there_is_room() {
    let (home, log) = (tempfile::tempdir().unwrap(), TestLog::new("log.test/2026", 400));
    let Some(disk) = SmallDisk::mount(home.path().join("disk"), 4) else { return };
    let witness = disk.path().join("w");
    init(&witness);
    follow(&witness, &log);
    let mut server = Server::start(&witness, &[]);
    let ballast = disk.path().join("ballast");
    let free = rustix::fs::statvfs(disk.path()).unwrap();
    fs::write(&ballast, vec![1; usize::try_from((free.f_bavail * free.f_frsize).saturating_sub(200 << 10)).unwrap()]).unwrap();
    let at = cosign_until_it_fails(&server, &log, 0, &witness);
    let messages = server.messages_after_end(Some(1));
    assert!(messages.contains("free space") && !messages.contains("panicked"), "{messages}");
    assert!(at > 0);
    fs::remove_file(ballast).unwrap();
    check(&witness, &log, at);
}
