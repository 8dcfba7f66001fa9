//! Real system calls that fail, see [`processes::faults`]: a sync with an input/output error, a disk without room.

use std::collections::HashMap;
use std::path::Path;

use processes::faults::{SmallDisk, syncs_can_fail};

use crate::process::{Server, good, init, program};

/// Adds entries until the server refuses one or goes away; gives those that were acknowledged.
fn add_until_it_fails(server: &Server, first: u64, most: u64) -> HashMap<Vec<u8>, u64> {
    let mut acknowledged = HashMap::new();
    let mut connection = server.connect();
    for number in first..first + most {
        let entry = format!("entry {number} {}", "x".repeat(1000)).into_bytes();
        let Some(index) = connection.add(&entry) else { break };
        acknowledged.insert(entry, index);
    }
    acknowledged
}

/// A server without the fault has all that was acknowledged, once.
fn check(dir: &Path, more: &[&str], acknowledged: &HashMap<Vec<u8>, u64>) {
    let mut server = Server::start(dir, more);
    let mut connection = server.connect();
    for (entry, index) in acknowledged {
        assert_eq!(connection.add(entry), Some(*index));
    }
    drop(connection);
    assert_eq!(server.terminate().0, Some(0));
    assert!(good(&["fsck", "--dir", dir.to_str().unwrap()]).contains("the log is whole"));
}

#[test]
fn a_sync_that_fails_ends_the_process_and_acknowledges_nothing() {
    if !syncs_can_fail() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init(&dir);
    let mut acknowledged = HashMap::new();
    // A commit has two syncs, the store's and the anchor's; strace counts for each thread. So this fails each in its turn, and the
    // first of them, and some while the log opens.
    for nth in [1, 2, 3, 4, 9, 10] {
        match Server::try_start_as(&program().with_failing_syncs(nth), &dir, &[]) {
            Err(told) => assert!(!told.contains("panicked"), "{told}"),
            Ok(mut server) => {
                let first = u64::try_from(acknowledged.len()).unwrap() + nth * 1000;
                acknowledged.extend(add_until_it_fails(&server, first, 1000));
                let (code, told) = server.wait();
                assert_eq!(code, Some(1), "{told}");
                assert!(told.contains("the log stopped") && !told.contains("panicked"), "{told}");
            }
        }
        check(&dir, &[], &acknowledged);
    }
    assert!(acknowledged.len() >= 8, "some commits succeeded before their syncs failed: {}", acknowledged.len());
}

#[test]
fn a_full_disk_acknowledges_nothing_and_a_restart_goes_on_once_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(home.path().join("disk"), 12) else { return };
    let config = home.path().join("acta-log.toml");
    std::fs::write(&config, "log.min_free_disk = '1 B'\n").unwrap();
    let dir = disk.path().join("log");
    init(&dir);
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();

    let more = ["--config", config.to_str().unwrap()];
    let mut server = Server::start(&dir, &more);
    let acknowledged = add_until_it_fails(&server, 0, 100_000);
    let (code, told) = server.wait();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("free space") && !told.contains("panicked"), "{told}");
    assert!(!acknowledged.is_empty());

    std::fs::remove_file(ballast).unwrap();
    check(&dir, &more, &acknowledged);
}

#[test]
fn a_nearly_full_disk_stops_intake_before_anything_breaks() {
    let home = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(home.path().join("disk"), 12) else { return };
    let dir = disk.path().join("log");
    init(&dir);
    // the whole disk is smaller than the free space that is asked for unless configured
    let mut server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    let refusal = loop {
        // the first look at the disk comes moments after the start
        let answer = connection.request("POST", "/add", b"too much").unwrap();
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refusal.status, 503, "{}", refusal.text());
    assert!(refusal.text().contains("disk"), "{}", refusal.text());
    assert_eq!(connection.get("/checkpoint").unwrap().status, 200, "what is published stays readable");
    drop(connection);
    assert_eq!(server.terminate().0, Some(0));
}
