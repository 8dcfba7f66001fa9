//! Files with signing keys: the only place where they are made, written and read.
//!
//! A key is two files: `FILE` holds the secret, as PKCS#8 in PEM or as one of Go's `PRIVATE+KEY+…` strings, and `FILE.vkey` beside
//! it the verifier key, which also says the key's name and what it signs. Whoever can read `FILE` can sign as its owner, so it is
//! readable by its owner alone from the moment it exists, and one that others can read is refused rather than used: it may have been
//! copied already.
//!
//! Invariant: nothing is ever overwritten, and [`create`] leaves both files or, if it reports an error, neither.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
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
    #[error("cannot read the key file {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A directory, a pipe, …
    #[error("the key file {} is not a regular file; give the path of a file that `acta keygen` wrote", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// Group or others can read it.
    #[error(
        "others on this machine can read the key file {0} (mode {mode:04o}), so it is not used: run `chmod 600 {0}`, and make a new key \
         if somebody may have copied it",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
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
        #[source]
        error: KeyFileError,
    },
    /// The file beside it is not a verifier key.
    #[error("cannot use the verifier key in {}: {error}", path.display())]
    VerifierKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
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
    /// The system refused.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
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
    Ok(SigningKey::from_seed(name, algorithm, *seed)?)
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
    let path = path.to_owned();
    let text = match File::open(&path) {
        Ok(file) => read(&path, file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LoadError::Read { path, error }),
    };
    text.trim().parse().map(Some).map_err(|error| LoadError::VerifierKey { path, error })
}

/// Reads a key that nobody but its owner can read, and the verifier key beside it. A key in PEM needs that; a Go key may do without.
pub fn load(path: &Path) -> Result<SigningKey, LoadError> {
    load_at(path, &verifier_key_path(path))
}

/// As [`load`], with the verifier key in a file of another name.
pub fn load_at(path: &Path, verifier_path: &Path) -> Result<SigningKey, LoadError> {
    let read_error = |error| LoadError::Read { path: path.to_owned(), error };
    // Opening a named pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(read_error)?.is_file() {
        return Err(LoadError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(read_error)?;
    // The opened file's own mode, so that it cannot be exchanged between the check and the reading.
    let metadata = file.metadata().map_err(read_error)?;
    if !metadata.is_file() {
        return Err(LoadError::NotAFile { path: path.to_owned() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(LoadError::Readable { path: path.to_owned(), mode });
    }
    let text = read(path, file)?;
    let verifier_key = load_verifier_key_at(verifier_path)?;
    SigningKey::parse_file(&text, verifier_key.as_ref()).map_err(|error| LoadError::Key { path: path.to_owned(), error })
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
    write_new(path, 0o600, encode_pem(key).as_bytes())?;
    let written = write_new(verifier_path, 0o644, format!("{}\n", key.verifier_key()).as_bytes());
    if let Err(error) = written {
        // Only what was just made here is removed; without its name the key would be of no use.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    sync_directory(path).inspect_err(|_| {
        let _ = fs::remove_file(path);
        let _ = fs::remove_file(verifier_path);
    })
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CreateError> {
    let write_error = |error| CreateError::Write { path: path.to_owned(), error };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CreateError::Exists { path: path.to_owned() },
        _ => write_error(error),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        write_error(error)
    })
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
