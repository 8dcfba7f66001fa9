//! Data directories that are not as they should be, and what `acta-log` says to each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::process::{Connection, ORIGIN, Server, acta_log, good, init, program, refused};

/// A log of `count` entries that is not running.
fn log_of(count: u64) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init(&dir);
    add(&dir, 0..count);
    (home, dir)
}

fn add(dir: &Path, numbers: std::ops::Range<u64>) {
    if numbers.is_empty() {
        return;
    }
    let mut server = Server::start(dir, &[]);
    let mut connection = server.connect();
    for number in numbers {
        connection.add(format!("decision {number}").as_bytes()).unwrap();
    }
    drop(connection);
    assert_eq!(server.terminate().0, Some(0));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn serve_refuses(dir: &Path) -> String {
    match Server::try_start(dir, &[]) {
        Ok(_) => panic!("acta-log served {}", dir.display()),
        Err(told) => told,
    }
}

/// All files of the store whose names end so.
fn store_files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| text(path).ends_with(ending));
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn init_writes_what_others_need_and_keeps_the_key_secret() {
    let (_home, dir) = log_of(0);
    let key = fs::read_to_string(dir.join("log.vkey")).unwrap();
    assert!(key.starts_with(ORIGIN), "{key}");
    assert!(fs::read_to_string(dir.join("policy")).unwrap().contains(key.trim()));
    assert_eq!(fs::metadata(dir.join("log.key")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn init_goes_over_nothing() {
    let (_home, dir) = log_of(0);
    let told = refused(&["init", "--dir", text(&dir), "--origin", ORIGIN, "--admission", "open"]);
    assert!(told.contains("exists already"), "{told}");
}

#[test]
fn an_origin_with_a_space_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let told = refused(&["init", "--dir", text(&home.path().join("log")), "--origin", "my log", "--admission", "open"]);
    assert!(told.contains("space"), "{told}");
    assert!(!home.path().join("log").exists(), "nothing is left behind");
}

#[test]
fn a_directory_without_a_log_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let told = serve_refuses(home.path());
    assert!(told.contains("does not hold a log"), "{told}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let told = serve_refuses(&home.path().join("nowhere"));
    assert!(told.contains("does not hold a log"), "{told}");
}

#[test]
fn a_second_process_ends_at_once_and_the_first_goes_on() {
    let (_home, dir) = log_of(1);
    let server = Server::start(&dir, &[]);
    let told = serve_refuses(&dir);
    assert!(told.contains("another process"), "{told}");
    let told = refused(&["fsck", "--dir", text(&dir)]);
    assert!(told.contains("another process"), "{told}");
    assert_eq!(server.connect().add(b"still here"), Some(1));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (_home, dir) = log_of(0);
    fs::set_permissions(dir.join("log.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let told = serve_refuses(&dir);
    assert!(told.contains("chmod 600"), "{told}");
}

#[test]
fn another_logs_key_is_refused() {
    let (_home, dir) = log_of(1);
    let (_other_home, other) = log_of(1);
    for file in ["log.key", "log.vkey"] {
        fs::copy(other.join(file), dir.join(file)).unwrap();
    }
    let told = serve_refuses(&dir);
    assert!(told.contains("not the key of this log"), "{told}");
}

#[test]
fn a_missing_or_damaged_anchor_is_refused_until_adopted() {
    let (_home, dir) = log_of(3);
    for damage in [None, Some([0xff; 8192])] {
        match damage {
            None => fs::remove_file(dir.join("anchor")).unwrap(),
            Some(bytes) => fs::write(dir.join("anchor"), bytes).unwrap(),
        }
        let told = serve_refuses(&dir);
        assert!(told.contains("acta-log adopt"), "{told}");
        let told = refused(&["adopt", "--dir", text(&dir)]);
        assert!(told.contains("has 3 entries"), "{told}");
        let told = refused(&["adopt", "--dir", text(&dir), "--at-size", "4"]);
        assert!(told.contains("not 4"), "{told}");
        good(&["adopt", "--dir", text(&dir), "--at-size", "3"]);
        assert_eq!(Server::start(&dir, &[]).connect().add(b"decision 0"), Some(0));
    }
}

#[test]
fn an_older_copy_of_the_store_is_refused_and_cannot_be_adopted() {
    let (home, dir) = log_of(3);
    let old = home.path().join("old");
    copy(&dir.join("db"), &old);
    add(&dir, 3..5);
    fs::remove_dir_all(dir.join("db")).unwrap();
    copy(&old, &dir.join("db"));
    let told = serve_refuses(&dir);
    assert!(told.contains("2 acknowledged entries are missing"), "{told}");
    let told = refused(&["adopt", "--dir", text(&dir), "--at-size", "3"]);
    assert!(told.contains("cannot be adopted"), "{told}");
}

#[test]
fn an_emptied_store_is_refused() {
    let (_home, dir) = log_of(3);
    for file in store_files(&dir, "") {
        fs::remove_file(file).unwrap();
    }
    let told = serve_refuses(&dir);
    assert!(told.contains("held a log"), "{told}");
}

#[test]
fn an_old_store_beside_the_anchor_of_a_new_log_is_refused() {
    let (home, dir) = log_of(3);
    let new = home.path().join("new");
    fs::copy(dir.join("log.vkey"), dir.join("log.key.vkey")).unwrap();
    good(&["init", "--dir", text(&new), "--origin", ORIGIN, "--admission", "open", "--key", text(&dir.join("log.key"))]);
    fs::remove_dir_all(new.join("db")).unwrap();
    copy(&dir.join("db"), &new.join("db"));
    let told = serve_refuses(&new);
    assert!(told.contains("not of the log in DIR/db"), "{told}");
    good(&["adopt", "--dir", text(&new), "--at-size", "3"]);
    assert_eq!(Server::start(&new, &[]).connect().add(b"decision 2"), Some(2));
}

#[test]
fn a_refused_start_leaves_what_can_still_be_rescued() {
    let (_home, dir) = log_of(2);
    let mut server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    for number in 2..20 {
        connection.add(format!("decision {number}").as_bytes()).unwrap();
    }
    server.kill();
    let wal = store_files(&dir, ".log").into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let whole = fs::read(&wal).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 1;
    fs::write(&wal, &flipped).unwrap();
    for command in
        [vec!["serve", "--listen", "127.0.0.1:0"], vec!["adopt", "--at-size", "7"], vec!["fsck"], vec!["backup", "--out", "/nonexistent/x"]]
    {
        let told = refused(&[&command[..], &["--dir", text(&dir)]].concat());
        assert!(!told.contains("the log is whole"), "{told}");
        assert_eq!(fs::read(&wal).unwrap(), flipped, "after {command:?}");
    }
    // the one bit set right, everything acknowledged is back
    fs::write(&wal, &whole).unwrap();
    assert_eq!(Server::start(&dir, &[]).connect().add(b"decision 19"), Some(19));
}

#[test]
fn more_connections_than_files_do_not_stop_the_log() {
    let (_home, dir) = log_of(1);
    let server = Server::try_start_as(&program().under(&["sh", "-c", "ulimit -n 400; exec \"$0\" \"$@\""]), &dir, &[]).unwrap();
    let held: Vec<_> = (0..500).map_while(|_| Connection::to(server.address).ok()).collect();
    drop(held.into_iter().take(100).collect::<Vec<_>>()); // so that one more gets its turn
    let mut connection = server.connect();
    for number in 0..2000_u64 {
        assert!(connection.add(format!("among many {number}").as_bytes()).is_some(), "entry {number}");
    }
}

#[test]
fn wrong_tls_files_are_refused_before_it_says_that_it_listens() {
    let (home, dir) = log_of(0);
    let config = home.path().join("acta-log.toml");
    fs::write(home.path().join("nonsense.pem"), "nonsense").unwrap();
    let pem = home.path().join("nonsense.pem");
    fs::write(&config, format!("tls.certificate = '{0}'\ntls.key = '{0}'\n", text(&pem))).unwrap();
    let told = refused(&["serve", "--dir", text(&dir), "--listen", "127.0.0.1:0", "--config", text(&config)]);
    assert!(!told.contains("listening"), "{told}");
}

#[test]
fn an_interrupted_export_of_another_log_and_emptied_files_are_written_over() {
    let (home, dir) = log_of(300);
    let (_other_home, other) = log_of(3);
    let out = home.path().join("tree");
    good(&["export", "--dir", text(&other), "--out", text(&out)]);
    fs::remove_file(out.join("checkpoint")).unwrap();
    fs::create_dir_all(out.join("tile/entries")).unwrap();
    fs::write(out.join("tile/entries/000"), b"").unwrap();
    good(&["export", "--dir", text(&dir), "--out", text(&out)]);
    let server = Server::start(&dir, &[]);
    let served = server.connect().get("/tile/entries/000").unwrap().body;
    assert_eq!(fs::read(out.join("tile/entries/000")).unwrap(), served);
}

#[test]
fn an_export_needs_the_anchor_unless_told_otherwise() {
    let (home, dir) = log_of(3);
    let out = home.path().join("tree");
    fs::remove_file(dir.join("anchor")).unwrap();
    assert!(refused(&["export", "--dir", text(&dir), "--out", text(&out)]).contains("acta-log adopt"));
    assert!(!out.exists());
    good(&["export", "--dir", text(&dir), "--out", text(&out), "--without-anchor"]);
    assert!(out.join("checkpoint").exists());
}

#[test]
fn truncated_table_files_are_refused() {
    let (_home, dir) = log_of(300);
    drop(Server::start(&dir, &[])); // so that all is in table files
    let tables = store_files(&dir, ".sst");
    assert!(!tables.is_empty());
    for table in tables {
        let whole = fs::read(&table).unwrap();
        fs::write(&table, &whole[..whole.len() / 2]).unwrap();
        let told = serve_refuses(&dir);
        assert!(told.contains("the store reported an error"), "{told}");
        fs::write(&table, whole).unwrap();
    }
    assert_eq!(Server::start(&dir, &[]).connect().add(b"decision 299"), Some(299), "whole again, it starts");
}

#[test]
fn flipped_bits_in_table_files_are_never_served_as_another_log() {
    let (_home, dir) = log_of(300);
    drop(Server::start(&dir, &[]));
    let root = good(&["fsck", "--dir", text(&dir)]);
    assert!(root.contains("300 entries"), "{root}");
    let mut noticed = 0;
    for table in store_files(&dir, ".sst") {
        let whole = fs::read(&table).unwrap();
        for step in 1..6 {
            let mut flipped = whole.clone();
            flipped[whole.len() * step / 6] ^= 0x10;
            fs::write(&table, flipped).unwrap();
            let output = acta_log(&["fsck", "--dir", text(&dir)]);
            if output.status.success() {
                // the flip hit bytes that nobody reads; what was read was right
                assert!(String::from_utf8_lossy(&output.stdout).contains("300 entries"));
            } else {
                noticed += 1;
            }
        }
        fs::write(&table, whole).unwrap();
    }
    assert!(noticed > 0, "fsck reads what it checks");
    good(&["fsck", "--dir", text(&dir)]);
}

#[test]
fn a_flipped_bit_or_a_cut_in_the_write_ahead_log_loses_nothing_silently() {
    let (home, dir) = log_of(2);
    let mut server = Server::start(&dir, &[]);
    for number in 2..20 {
        server.connect().add(format!("decision {number}").as_bytes()).unwrap();
    }
    server.kill();
    let pristine = home.path().join("pristine");
    copy(&dir, &pristine);
    let wal = |dir: &Path| store_files(dir, ".log").into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let whole = fs::read(wal(&pristine)).unwrap();
    let mut refusals = 0;
    for step in 0..8 {
        let at = whole.len() * step / 8;
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        for damaged in [&flipped[..], &whole[..at]] {
            fs::remove_dir_all(&dir).unwrap();
            copy(&pristine, &dir);
            fs::write(wal(&dir), damaged).unwrap();
            match Server::try_start(&dir, &[]) {
                Ok(server) => assert_eq!(server.connect().add(b"decision 19"), Some(19), "started: nothing acknowledged is missing"),
                Err(_) => refusals += 1,
            }
        }
    }
    assert!(refusals > 0, "damage to synced records is noticed");
}

#[test]
fn the_operator_sees_its_state_and_the_public_does_not() {
    let (_home, dir) = log_of(3);
    let server = Server::start(&dir, &[]);
    let mut operations = Connection::to(server.operations).unwrap();
    assert_eq!(operations.get("/readyz").unwrap().status, 200);
    assert_eq!(operations.get("/healthz").unwrap().status, 200);
    let metrics = operations.get("/metrics").unwrap();
    assert!(metrics.text().contains("acta_log_tree_size 3\n"), "{}", metrics.text());
    assert_eq!(server.connect().get("/metrics").unwrap().status, 404);
}

#[test]
fn terminating_it_answers_what_was_begun_and_exits_well() {
    let (_home, dir) = log_of(0);
    let mut server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    assert_eq!(connection.add(b"last"), Some(0));
    drop(connection);
    let (code, told) = server.terminate();
    assert_eq!(code, Some(0), "{told}");
    assert!(good(&["fsck", "--dir", text(&dir)]).contains("1 entries"));
}

#[test]
fn a_backup_is_whole_and_cannot_be_served_by_mistake() {
    let (home, dir) = log_of(300);
    let out = home.path().join("backup");
    good(&["backup", "--dir", text(&dir), "--out", text(&out)]);
    assert!(refused(&["backup", "--dir", text(&dir), "--out", text(&out)]).contains("exists already"));
    assert!(!out.join("log.key").exists() && !out.join("anchor").exists());
    serve_refuses(&out);
    let told = good(&["fsck", "--dir", text(&out)]);
    assert!(told.contains("neither key nor anchor"), "{told}");
    // with the key brought back, it still needs an explicit adoption
    fs::copy(dir.join("log.key"), out.join("log.key")).unwrap();
    assert!(serve_refuses(&out).contains("acta-log adopt"));
    good(&["adopt", "--dir", text(&out), "--at-size", "300"]);
    good(&["fsck", "--dir", text(&out)]);
}

#[test]
fn an_export_is_what_the_server_serves_and_a_second_run_adds_what_is_new() {
    let (home, dir) = log_of(600);
    let out = home.path().join("tree");
    good(&["export", "--dir", text(&dir), "--out", text(&out)]);
    let server = Server::start(&dir, &[]);
    let mut connection = server.connect();
    for path in ["checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/88"] {
        assert_eq!(connection.get(&format!("/{path}")).unwrap().body, fs::read(out.join(path)).unwrap(), "{path}");
    }
    drop(connection);
    drop(server);
    add(&dir, 600..601);
    let told = good(&["export", "--dir", text(&dir), "--out", text(&out)]);
    assert!(told.contains("3 files written, 5 kept"), "a bundle, a tile and the checkpoint; {told}");
    let (_other_home, other) = log_of(1);
    assert!(refused(&["export", "--dir", text(&other), "--out", text(&out)]).contains("another directory"));
}

#[cfg(target_env = "gnu")]
#[test]
fn a_server_keeps_two_heaps_unless_somebody_says_how_many() {
    let (_home, dir) = log_of(1);
    let heaps = |server: &Server| {
        server.environment().into_iter().find_map(|variable| Some(variable.strip_prefix("MALLOC_ARENA_MAX=")?.to_owned()))
    };
    assert_eq!(heaps(&Server::start(&dir, &[])).as_deref(), Some("2"));
    let asked = program().under(&["env", "MALLOC_ARENA_MAX=5"]);
    let server = Server::try_start_as(&asked, &dir, &[]).unwrap_or_else(|told| panic!("{told}"));
    assert_eq!(heaps(&server).as_deref(), Some("5"));
}
