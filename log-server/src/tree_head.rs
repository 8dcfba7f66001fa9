//! Tree heads as Certificate Transparency of the first version signs them (RFC 6962 section 3.5), for tools of that generation.
//!
//! The key is an ECDSA key on P-256 of its own: it says nothing that the log's checkpoints do not say, and whoever has it can sign nothing but
//! such heads. Witnesses do not see them; a log with witnesses signs no head here that they have not cosigned, because only published heads
//! come this far.
//!
//! Invariant: no head is signed for an earlier time than one before it, also across a start with a clock that was set back. For that the
//! time up to which heads may be signed is written down ahead, a minute at a time.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyfile::{CreateError, LoadError};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serving::directory::sync_parent;
use tlog::{Hash, TreeSize};

use crate::data_dir::DataDir;

/// DER of a `SubjectPublicKeyInfo` for a P-256 key up to the uncompressed point (RFC 5480).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00,
];

/// How far ahead the time is written down, in milliseconds.
const AHEAD: u64 = 60_000;

/// A log's key for such heads cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeHeadKeyError {
    /// The file cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file cannot be written.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// Not such a key.
    #[error("{0} is not an ECDSA key on the curve P-256 in PKCS#8: bring back the file that `acta-log ct-key` wrote, or remove it")]
    NotAKey(PathBuf),
    /// No randomness.
    #[error("the system gave no random numbers, so no key was made; try again")]
    NoRandomness,
    /// The file with the time cannot be read.
    #[error("cannot read {0}: {1}")]
    Time(PathBuf, io::Error),
    /// The file with the time has something else in it.
    #[error("{0} does not hold a time: if the clock of this machine is right, remove the file")]
    NotATime(PathBuf),
}

/// Why a head was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignTreeHeadError {
    /// No randomness.
    #[error("the system gave no random numbers")]
    NoRandomness,
    /// The time could not be written down.
    #[error("the time up to which heads are signed could not be written: {0}")]
    Time(io::Error),
}

/// A signed tree head (RFC 6962 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// How many entries.
    pub size: TreeSize,
    /// Their root hash.
    pub root: Hash,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// The `TreeHeadSignature` with its algorithms, as TLS encodes it.
    pub signature: Vec<u8>,
}

/// Signs tree heads.
#[derive(Debug)]
pub struct TreeHeads {
    pair: EcdsaKeyPair,
    time_file: PathBuf,
    times: Mutex<Times>,
}

/// In milliseconds since 1970.
#[derive(Debug)]
struct Times {
    /// Of the newest head.
    last: u64,
    /// Nothing later is signed before it is written down.
    reserved: u64,
}

impl TreeHeads {
    /// Makes a key for the log in `dir`; the log signs such heads from its next start on. Gives the public key in DER.
    pub fn create_key(dir: &DataDir) -> Result<Vec<u8>, TreeHeadKeyError> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(|_| TreeHeadKeyError::NoRandomness)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random);
        let public = spki(&pair.map_err(|_| TreeHeadKeyError::NotAKey(dir.ct_key()))?);
        let id = &Hash::sha256(&public).to_hex()[..8];
        keyfile::create_pair(&dir.ct_key(), &pem("PRIVATE KEY", made.as_ref()), &dir.ct_public_key(), &pem("PUBLIC KEY", &public), id)?;
        Ok(public)
    }

    /// The signer of the log in `dir`, if a key was made for it.
    pub fn load(dir: &DataDir) -> Result<Option<Self>, TreeHeadKeyError> {
        let text = match keyfile::load_secret(&dir.ct_key()) {
            Ok(text) => text,
            Err(LoadError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let not_a_key = || TreeHeadKeyError::NotAKey(dir.ct_key());
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| not_a_key())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der(), &SystemRandom::new());
        let pair = pair.map_err(|_| not_a_key())?;
        let reserved = read_time(&dir.ct_time())?;
        let times = Mutex::new(Times { last: reserved, reserved });
        Ok(Some(TreeHeads { pair, time_file: dir.ct_time(), times }))
    }

    /// The public key, DER of a `SubjectPublicKeyInfo`. Its SHA-256 is the log's id (RFC 6962 section 3.2).
    pub fn public_key(&self) -> Vec<u8> {
        spki(&self.pair)
    }

    /// Signs the head of the tree that has `size` entries and the hash `root`, for `now` or the first time after it that is free. May wait
    /// for the disk.
    pub fn sign(&self, size: TreeSize, root: Hash, now: SystemTime) -> Result<TreeHead, SignTreeHeadError> {
        let timestamp = self.time(now).map_err(SignTreeHeadError::Time)?;
        let message = tree_head_signature_input(timestamp, size, &root);
        let signed = self.pair.sign(&SystemRandom::new(), &message).map_err(|_| SignTreeHeadError::NoRandomness)?;
        Ok(TreeHead { size, root, timestamp, signature: digitally_signed(signed.as_ref()) })
    }

    fn time(&self, now: SystemTime) -> io::Result<u64> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        // SPEC: RFC 6962 §3.5: each subsequent timestamp MUST be more recent than the timestamp of the previous update.
        let time = now.max(times.last.saturating_add(1));
        if time > times.reserved {
            let reserved = time.saturating_add(AHEAD);
            write_time(&self.time_file, reserved)?;
            times.reserved = reserved;
        }
        times.last = time;
        Ok(time)
    }
}

/// What is signed. SPEC: RFC 6962 §3.5: version v1, signature type tree_hash, time, size, root.
fn tree_head_signature_input(timestamp: u64, size: TreeSize, root: &Hash) -> Vec<u8> {
    [[0, 1].as_slice(), &timestamp.to_be_bytes(), &size.as_u64().to_be_bytes(), root.as_bytes()].concat()
}

/// A signature as TLS 1.2 encodes it (RFC 5246 section 4.7): SHA-256, ECDSA, and the signature with its length.
fn digitally_signed(signature: &[u8]) -> Vec<u8> {
    let length = u16::try_from(signature.len()).expect("a P-256 signature has about 72 bytes");
    [[4, 3].as_slice(), &length.to_be_bytes(), signature].concat()
}

fn spki(pair: &EcdsaKeyPair) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), pair.public_key().as_ref()].concat()
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines = base64.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}

fn read_time(path: &Path) -> Result<u64, TreeHeadKeyError> {
    match fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| TreeHeadKeyError::NotATime(path.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(TreeHeadKeyError::Time(path.into(), error)),
    }
}

/// The file has the old time or the new one, also after a power cut.
fn write_time(path: &Path, time: u64) -> io::Result<()> {
    let staged = path.with_extension("time.new");
    let mut file = fs::File::create(&staged)?;
    writeln!(file, "{time}")?;
    file.sync_all()?;
    fs::rename(&staged, path)?;
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::time::Duration;

    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    fn signer() -> (tempfile::TempDir, DataDir, TreeHeads) {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        assert!(TreeHeads::load(&dir).unwrap().is_none(), "no key, no heads");
        let public = TreeHeads::create_key(&dir).unwrap();
        let heads = TreeHeads::load(&dir).unwrap().unwrap();
        assert_eq!(heads.public_key(), public);
        (root, dir, heads)
    }

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_signature_is_over_version_type_time_size_and_root() {
        let (_root, _dir, heads) = signer();
        let root = Hash::leaf(b"x");
        let head = heads.sign(TreeSize::new(7), root, at(1_700_000_000_123)).unwrap();
        assert_eq!((head.timestamp, &head.signature[..2]), (1_700_000_000_123, [4, 3].as_slice()));
        let mut signed = vec![0, 1];
        signed.extend(1_700_000_000_123_u64.to_be_bytes());
        signed.extend(7_u64.to_be_bytes());
        signed.extend(root.as_bytes());
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, heads.public_key()[26..].to_vec());
        key.verify(&signed, &head.signature[4..]).unwrap();
        signed[17] ^= 1;
        assert!(key.verify(&signed, &head.signature[4..]).is_err());
    }

    #[test]
    fn times_grow_also_when_the_clock_goes_back_and_the_server_starts_again() {
        let (_root, dir, heads) = signer();
        let time = |heads: &TreeHeads, now| heads.sign(TreeSize::new(1), Hash::EMPTY_TREE, at(now)).unwrap().timestamp;
        let first = time(&heads, 1_000_000);
        assert_eq!(first, 1_000_000);
        assert_eq!((time(&heads, 1_000_000), time(&heads, 5)), (1_000_001, 1_000_002));
        assert!(time(&heads, 1_100_000) == 1_100_000);
        drop(heads);
        let heads = TreeHeads::load(&dir).unwrap().unwrap();
        assert!(time(&heads, 5) > 1_100_000);
        // The file is what it rests on.
        fs::remove_file(dir.ct_time()).unwrap();
        assert_eq!(time(&TreeHeads::load(&dir).unwrap().unwrap(), 5), 5);
    }

    #[test]
    fn what_is_no_key_or_no_time_is_refused_and_no_key_is_written_over() {
        let (_root, dir, heads) = signer();
        drop(heads);
        assert!(matches!(TreeHeads::create_key(&dir), Err(TreeHeadKeyError::Create(CreateError::Exists { .. }))));
        fs::write(dir.ct_time(), "tomorrow").unwrap();
        assert!(matches!(TreeHeads::load(&dir), Err(TreeHeadKeyError::NotATime(_))));
        fs::write(dir.ct_key(), pem("PRIVATE KEY", &[0x30, 0])).unwrap();
        assert!(matches!(TreeHeads::load(&dir), Err(TreeHeadKeyError::NotAKey(_))));
    }
}
