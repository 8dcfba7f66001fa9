//! Secrets that the monitor shares with a receiver of alerts: in files of their own, never in the configuration.
//!
//! Whoever holds the secret of a webhook can send its receiver alerts in the monitor's name.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The most bytes of a file with a secret.
const MAX_FILE: u64 = 4096;

/// A secret. It is never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// A secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Not there, or not readable.
    #[error("cannot read the secret in {}: {error}; check the path and that this user may read it", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A directory, a pipe.
    #[error("{} is not a regular file; give the path of a file with the secret in one line", .0.display())]
    NotAFile(PathBuf),
    /// Others can read it.
    #[error(
        "others on this machine have rights to {0} (mode {mode:04o}), so the secret in it is not used: run `chmod 600 {0}`, and replace the secret if somebody may have read it",
        path.display()
    )]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a secret.
    #[error("{} has no secret: write one line of {least} to {MAX_FILE} bytes of text, such as the output of `openssl rand -hex 32`", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// How many bytes a secret for this purpose has at least.
        least: usize,
    },
}

impl Secret {
    /// Reads the secret in a file: its only line, of at least `least` bytes.
    pub fn load(path: &Path, least: usize) -> Result<Self, SecretError> {
        let malformed = || SecretError::Malformed { path: path.to_owned(), least };
        let failed = |error| SecretError::Read { path: path.to_owned(), error };
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(SecretError::NotAFile(path.to_owned()));
        }
        let mode = about.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Readable { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        match file.take(MAX_FILE + 1).read_to_string(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed()),
            read => read.map_err(failed)?,
        };
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let fits = u64::try_from(text.len()).is_ok_and(|length| length <= MAX_FILE) && line.len() >= least;
        if !fits || line.chars().any(char::is_control) {
            return Err(malformed());
        }
        Ok(Secret(Zeroizing::new(line.to_owned())))
    }

    /// What is secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_secret_is_one_line_that_nobody_else_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let load = |text: &[u8], mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Secret::load(&path, 16)
        };
        let secret = load(b"0123456789abcdef\n", 0o600).unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("0123456789abcdef", "Secret"));
        assert!(matches!(load(b"0123456789abcdef\n", 0o640), Err(SecretError::Readable { mode: 0o640, .. })));
        for bad in [&b""[..], b"short\n", b"0123456789abcdef\n0123456789abcdef\n", b"0123456789abcdef\xff\n", &[b'a'; 4097]] {
            assert!(matches!(load(bad, 0o600), Err(SecretError::Malformed { .. })), "{bad:?}");
        }
        assert!(matches!(Secret::load(&dir.path().join("none"), 16), Err(SecretError::Read { .. })));
        assert!(matches!(Secret::load(dir.path(), 16), Err(SecretError::NotAFile(_))));
    }
}
