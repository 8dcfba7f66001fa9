//! Files with signing keys: the only place where they are made, written and read.
//!
//! A key is two files: `FILE` holds the secret, as PKCS#8 in PEM or as one of Go's `PRIVATE+KEY+…` strings, and `FILE.vkey` beside
//! it the verifier key, which also says the key's name and what it signs. Whoever can read `FILE` can sign as its owner, so it is
//! readable by its owner alone from the moment it exists, and one that others have any right to is refused rather than used: it may
//! have been copied already. One that belongs to another user is refused too: its owner could have put another key there.
//!
//! Invariant: nothing is ever overwritten, and [`create`] leaves both files or, if it reports an error, neither. A file under its final
//! name is whole, also after a kill or a power cut: what is not whole yet has another name, which stands in the way of nothing.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use tlog::key::{Algorithm, InvalidSigningKey, InvalidVerifierKey, KeyFileError, KeyName, SigningKey, VerifierKey, encode_pem};
use zeroize::Zeroizing;

/// The most bytes of a key file that is read. The largest kind has some 4,000.
const MAX_FILE: u64 = 64 * 1024;

/// Why a key could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not there, not readable, …
    #[error("cannot read the key file {}: {error}; check the path and that this user may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A directory, a pipe, …
    #[error("the key file {} is not a regular file; give the path of a file that `acta keygen` wrote", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// Group or others have rights to it.
    #[error(
        "others on this machine have rights to the key file {0} (mode {mode:04o}), so it is not used: run `chmod 600 {0}`, and make a \
         new key if somebody may have copied or changed it",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is neither of the user that this process runs as nor of root.
    #[error(
        "the key file {0} belongs to another user (number {uid}), who could replace the key in it, so it is not used: run this program as \
         that user, or make the file your own with `chown`",
        path.display()
    )]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Longer than any key.
    #[error("the key file {} is larger than any key; check the path", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not text.
    #[error("the key file {} is not text; check the path", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The file with the secret is not a key.
    #[error("cannot use the key file {}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyFileError,
    },
    /// The file beside it is not a verifier key.
    #[error("cannot use the verifier key in {}: {error}", path.display())]
    VerifierKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: InvalidVerifierKey,
    },
}

/// Why a key was not written. No file is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is something already.
    #[error("{} exists already and is not overwritten, since it may be somebody's only copy of a key; choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A verifier key without its key.
    #[error(
        "{} exists already, but the key that it belongs to does not: perhaps `acta keygen` was interrupted here. If you need neither, \
         remove it; else choose another name",
        path.display()
    )]
    WithoutKey {
        /// The file with the verifier key.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot write {}: {error}; check the directory, who may write there, and its free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The system's random number generator failed.
    #[error("the system gave no random numbers, so no key was made; try again")]
    NoRandomness,
    /// Name or algorithm.
    #[error(transparent)]
    Key(#[from] InvalidSigningKey),
}

/// Makes a new key from the system's secure random numbers.
///
/// ```
/// use tlog::key::{Algorithm, KeyName};
///
/// let key = keyfile::generate(KeyName::new("example.com/log")?, Algorithm::Ed25519)?;
/// let file = std::env::temp_dir().join(format!("keyfile-doc-{}.pem", key.verifier_key().id()));
/// keyfile::create(&file, &key)?;
/// assert_eq!(keyfile::load(&file)?.verifier_key(), key.verifier_key());
/// # std::fs::remove_file(keyfile::verifier_key_path(&file))?;
/// # std::fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn generate(name: KeyName, algorithm: Algorithm) -> Result<SigningKey, GenerateError> {
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_| GenerateError::NoRandomness)?;
    Ok(SigningKey::from_seed(name, algorithm, &seed)?)
}

/// Where the verifier key of a key file is: `FILE.vkey` beside `FILE`.
pub fn verifier_key_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".vkey");
    PathBuf::from(name)
}

/// Reads the verifier key beside a key file; `None` if there is no such file.
pub fn load_verifier_key(path: &Path) -> Result<Option<VerifierKey>, LoadError> {
    load_verifier_key_at(&verifier_key_path(path))
}

/// Reads the verifier key in `path`; `None` if there is no such file.
pub fn load_verifier_key_at(path: &Path) -> Result<Option<VerifierKey>, LoadError> {
    let text = match open_regular(path) {
        Ok((file, _)) => read(path, file)?,
        Err(LoadError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    text.trim().parse().map(Some).map_err(|error| LoadError::VerifierKey { path: path.to_owned(), error })
}

/// Reads a key that nobody but its owner can read, and the verifier key beside it. A key in PEM needs that; a Go key may do without.
pub fn load(path: &Path) -> Result<SigningKey, LoadError> {
    load_at(path, &verifier_key_path(path))
}

/// As [`load`], with the verifier key in a file of another name.
pub fn load_at(path: &Path, verifier_path: &Path) -> Result<SigningKey, LoadError> {
    let text = load_secret(path)?;
    let verifier_key = load_verifier_key_at(verifier_path)?;
    SigningKey::parse_file(&text, verifier_key.as_ref()).map_err(|error| LoadError::Key { path: path.to_owned(), error })
}

/// Reads a secret text of any kind that nobody but its owner can read, such as a key that [`tlog`] does not know.
pub fn load_secret(path: &Path) -> Result<Zeroizing<String>, LoadError> {
    let (file, metadata) = open_regular(path)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(LoadError::Readable { path: path.to_owned(), mode });
    }
    let uid = metadata.uid();
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(LoadError::OtherOwner { path: path.to_owned(), uid });
    }
    read(path, file)
}

/// Opens a file that is one, and no pipe or device. What is told of it is told of the opened file, so that it cannot be exchanged
/// between the check and the reading.
fn open_regular(path: &Path) -> Result<(File, Metadata), LoadError> {
    let read_error = |error| LoadError::Read { path: path.to_owned(), error };
    // Opening a named pipe would wait for somebody to write into it, and opening a terminal may make it this process's own.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(LoadError::NotAFile { path: path.to_owned() }) }
}

fn read(path: &Path, file: File) -> Result<Zeroizing<String>, LoadError> {
    let capacity = usize::try_from(MAX_FILE + 1).expect("64 KiB fit into the address space");
    // Room for all from the start: a buffer that grew would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| LoadError::Read { path: path.to_owned(), error })?;
    if bytes.len() == capacity {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(LoadError::NotText { path: path.to_owned() }),
    }
}

/// Writes a key into two new files: `path` with the secret in PEM, mode 0600, and `path` with `.vkey` added. Both are on the disk
/// when this returns.
pub fn create(path: &Path, key: &SigningKey) -> Result<(), CreateError> {
    create_at(path, &verifier_key_path(path), key)
}

/// As [`create`], with the verifier key in a file of another name in the same directory.
pub fn create_at(path: &Path, verifier_path: &Path, key: &SigningKey) -> Result<(), CreateError> {
    let id = key.verifier_key().id().to_string();
    create_pair(path, &encode_pem(key), verifier_path, &format!("{}\n", key.verifier_key()), &id)
}

/// As [`create_at`], for a key of any kind as text: the secret half to `path`, mode 0600, the public one to `public_path`. `id` tells the key
/// from others, in hexadecimal digits.
pub fn create_pair(path: &Path, secret: &str, public_path: &Path, public: &str, id: &str) -> Result<(), CreateError> {
    if public_path.symlink_metadata().is_ok() && path.symlink_metadata().is_err() {
        return Err(CreateError::WithoutKey { path: public_path.to_owned() });
    }
    let public = Staged::write(public_path, 0o644, public.as_bytes(), id)?;
    let secret = Staged::write(path, 0o600, secret.as_bytes(), id)?;
    // The verifier key first: alone it gives nothing away and is of no use.
    public.publish()?;
    let published = secret.publish().and_then(|()| {
        sync_directory(path).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    });
    published.inspect_err(|_| {
        // Only what was just made here is removed; without its key it would be of no use.
        let _ = fs::remove_file(public_path);
    })
}

/// A whole and synced file under a name of its own, which goes away when this is dropped.
struct Staged {
    staged: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes what is to be published as `path`. The name has the key's id in it, so what a killed process left behind can only be in
    /// the way of the same key, whose copy is then replaced.
    fn write(path: &Path, mode: u32, bytes: &[u8], id: &str) -> Result<Self, CreateError> {
        let mut name = OsString::from(path);
        name.push(format!(".{id}.tmp"));
        let staged = PathBuf::from(name);
        let _ = fs::remove_file(&staged);
        let write_error = |error| CreateError::Write { path: path.to_owned(), error };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&staged).map_err(write_error)?;
        let this = Staged { staged, path: path.to_owned() };
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(write_error)?;
        Ok(this)
    }

    /// Gives it its final name, unless something has that name.
    fn publish(self) -> Result<(), CreateError> {
        // A second name for the file, and not a new name, because that would replace what is there.
        fs::hard_link(&self.staged, &self.path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CreateError::Exists { path: self.path.clone() },
            _ => CreateError::Write { path: self.path.clone(), error },
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.staged);
    }
}

/// A new file survives a power cut only once its directory is on the disk as well.
fn sync_directory(path: &Path) -> Result<(), CreateError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| CreateError::Write { path: directory.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_behind_does_not_stand_in_the_way() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key.pem");
        let key = generate(KeyName::new("example.com/log").expect("a name"), Algorithm::Ed25519).expect("a key");
        // Killed in the middle of writing the secret: nothing is cleaned up.
        std::mem::forget(Staged::write(&path, 0o600, b"-----BEGIN PRIV", &key.verifier_key().id().to_string()).expect("written"));
        assert!(!path.exists(), "a half key never has the final name");
        let other = generate(KeyName::new("example.com/log").expect("a name"), Algorithm::Ed25519).expect("a key");
        for key in [&other, &key] {
            create(&path, key).expect("nothing is in the way");
            assert_eq!(load(&path).expect("a whole key").verifier_key(), key.verifier_key());
            fs::remove_file(&path).expect("it is there");
            fs::remove_file(verifier_key_path(&path)).expect("it is there");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}
