//! Key files on a real file system, and as other programs write them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use keyfile::{CreateError, LoadError, create, generate, load, load_at, verifier_key_path};
use tempfile::TempDir;
use tlog::key::{Algorithm, KeyFileError, KeyName, SigningKey, VerifierKey};
use tlog::note::Note;

const SIGNING: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];

fn name() -> KeyName {
    KeyName::new("example.com/log").unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory with a new key in it.
fn with_key(algorithm: Algorithm) -> (TempDir, PathBuf, SigningKey) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let key = generate(name(), algorithm).unwrap();
    create(&path, &key).unwrap();
    (dir, path, key)
}

#[test]
fn a_key_is_loaded_as_it_was_created_and_only_its_owner_can_read_it() {
    for algorithm in SIGNING {
        let (_dir, path, key) = with_key(algorithm);
        assert_eq!(load(&path).unwrap().verifier_key(), key.verifier_key());
        assert_eq!(mode(&path), 0o600);
        let vkey = fs::read_to_string(verifier_key_path(&path)).unwrap();
        assert_eq!(vkey.trim_end().parse::<VerifierKey>().as_ref(), Ok(key.verifier_key()));
    }
}

#[test]
fn two_generated_keys_differ() {
    let [a, b] = [(); 2].map(|()| generate(name(), Algorithm::Ed25519).unwrap());
    assert_ne!(a.verifier_key(), b.verifier_key());
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
    let (_dir, path, _key) = with_key(Algorithm::Ed25519);
    for mode in [0o640, 0o604, 0o660, 0o644, 0o620, 0o601, 0o777] {
        set_mode(&path, mode);
        let error = load(&path).unwrap_err();
        assert!(matches!(error, LoadError::Readable { .. }), "{mode:o}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        assert!(load(&path).is_ok(), "{mode:o}");
    }
}

#[test]
fn neither_file_is_ever_overwritten() {
    let key = generate(name(), Algorithm::Ed25519).unwrap();
    for existing in ["key.pem", "key.pem.vkey"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        fs::write(dir.path().join(existing), "precious").unwrap();
        let refused = create(&path, &key);
        assert!(matches!(refused, Err(CreateError::Exists { .. } | CreateError::WithoutKey { .. })), "{existing}: {refused:?}");
        assert_eq!(fs::read(dir.path().join(existing)).unwrap(), b"precious");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }
    // Nor what a dangling link points to.
    let dir = tempfile::tempdir().unwrap();
    symlink(dir.path().join("elsewhere"), dir.path().join("key.pem")).unwrap();
    assert!(matches!(create(&dir.path().join("key.pem"), &key), Err(CreateError::Exists { .. })));
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn what_is_not_a_key_file_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    assert!(matches!(load(&path), Err(LoadError::Read { .. })));
    assert!(matches!(load(dir.path()), Err(LoadError::NotAFile { .. })));
    let write = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o600);
        load(&path).unwrap_err()
    };
    assert!(matches!(write(b"hello"), LoadError::Key { error: KeyFileError::NotAPrivateKey, .. }));
    assert!(matches!(write(b"\xff"), LoadError::NotText { .. }));
    assert!(matches!(write(&[b'a'; 65 * 1024]), LoadError::TooLarge { .. }));
}

#[test]
fn a_pem_key_needs_its_own_verifier_key_beside_it() {
    let (_dir, path, _key) = with_key(Algorithm::Ed25519);
    let (_other_dir, other, _other_key) = with_key(Algorithm::Ed25519);
    fs::copy(verifier_key_path(&other), verifier_key_path(&path)).unwrap();
    assert!(matches!(load(&path), Err(LoadError::Key { error: KeyFileError::OtherVerifierKey, .. })));
    fs::write(verifier_key_path(&path), "nonsense").unwrap();
    assert!(matches!(load(&path), Err(LoadError::VerifierKey { .. })));
    fs::remove_file(verifier_key_path(&path)).unwrap();
    assert!(matches!(load(&path), Err(LoadError::Key { error: KeyFileError::VerifierKeyMissing, .. })));
}

/// Runs `openssl`; `None`, said loudly, where it is not installed.
fn openssl(arguments: &[&str]) -> Option<Vec<u8>> {
    match Command::new("openssl").args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
        Err(error) => {
            eprintln!("SKIPPED: openssl cannot be run here ({error}); only the stored key files were tested");
            None
        }
    }
}

#[test]
fn keys_made_by_openssl_are_read_and_ours_are_read_by_openssl() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let Some(_) = openssl(&["genpkey", "-algorithm", "ed25519", "-out", path.to_str().unwrap()]) else { return };
    set_mode(&path, 0o600);
    let spki = openssl(&["pkey", "-in", path.to_str().unwrap(), "-pubout", "-outform", "DER"]).unwrap();
    let public_key = &spki[spki.len() - 32..];
    let vkey = VerifierKey::new(name(), Algorithm::Ed25519, public_key).unwrap();
    fs::write(verifier_key_path(&path), format!("{vkey}\n")).unwrap();
    let key = load(&path).unwrap();
    let note = Note::new("text\n", vec![key.sign_note("text\n").unwrap()]).unwrap();
    assert!(note.verify(&[vkey]).is_ok());

    let (_dir, path, key) = with_key(Algorithm::Ed25519);
    let spki = openssl(&["pkey", "-in", path.to_str().unwrap(), "-pubout", "-outform", "DER"]).unwrap();
    assert_eq!(&spki[spki.len() - 32..], key.verifier_key().public_key());
}

#[test]
fn a_go_key_has_its_own_name_and_is_guarded_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    // Made with golang.org/x/mod/sumdb/note.
    fs::write(&path, "PRIVATE+KEY+go.example/log+e6a9aa5e+ARotD4svqnwnL2/lH7as2kszW3zdVcB+MsSYWNsLPdPD\n").unwrap();
    set_mode(&path, 0o644);
    assert!(matches!(load(&path), Err(LoadError::Readable { .. })));
    set_mode(&path, 0o600);
    let vkey = "go.example/log+e6a9aa5e+AVKmCxW8iUsGjusDHutMVjzHDxGxINbefjNA7oymDh/Z";
    assert_eq!(load(&path).unwrap().verifier_key().to_string(), vkey);
    // A vkey beside it must be its own.
    fs::write(verifier_key_path(&path), vkey).unwrap();
    assert!(load(&path).is_ok());
    let other = generate(name(), Algorithm::Ed25519).unwrap();
    fs::write(verifier_key_path(&path), other.verifier_key().to_string()).unwrap();
    assert!(matches!(load(&path), Err(LoadError::Key { error: KeyFileError::OtherVerifierKey, .. })));
}

#[test]
fn where_nothing_can_be_written_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let key = generate(name(), Algorithm::Ed25519).unwrap();
    assert!(matches!(create(&dir.path().join("missing/key.pem"), &key), Err(CreateError::Write { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn no_key_can_be_generated_that_could_not_sign() {
    assert!(generate(name(), Algorithm::EcdsaP256).is_err());
}

#[test]
fn a_named_pipe_is_refused_and_not_waited_for() {
    let (dir, path, _key) = with_key(Algorithm::Ed25519);
    let pipe = dir.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        send.send(load(&pipe)).unwrap();
        send.send(load_at(&path, &pipe)).unwrap();
    });
    for which in ["secret", "verifier key"] {
        let loaded = receive.recv_timeout(std::time::Duration::from_secs(60)).expect("it does not wait for a writer");
        assert!(matches!(loaded, Err(LoadError::NotAFile { .. })), "{which}: {loaded:?}");
    }
}

#[test]
fn a_key_file_of_another_user_is_refused() {
    let (_dir, path, _key) = with_key(Algorithm::Ed25519);
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
        eprintln!("SKIPPED: only root can give files away");
        return;
    }
    assert!(matches!(load(&path), Err(LoadError::OtherOwner { uid: 12_345, .. })));
}

#[test]
fn a_verifier_key_that_was_left_alone_is_told_apart() {
    let (_dir, path, key) = with_key(Algorithm::Ed25519);
    fs::remove_file(&path).unwrap();
    let error = create(&path, &key).unwrap_err();
    assert!(matches!(error, CreateError::WithoutKey { .. }) && error.to_string().contains("remove it"), "{error}");
}

#[test]
fn errors_say_their_cause_once() {
    use std::error::Error as _;
    let dir = tempfile::tempdir().unwrap();
    let missing = load(&dir.path().join("missing")).unwrap_err();
    assert!(missing.source().is_none() && missing.to_string().contains("No such file"), "{missing}");
    let key = generate(name(), Algorithm::Ed25519).unwrap();
    let unwritten = create(&dir.path().join("missing/key.pem"), &key).unwrap_err();
    assert!(unwritten.source().is_none() && unwritten.to_string().contains("No such file"), "{unwritten}");
}
