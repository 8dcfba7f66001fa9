//! Keys (C2SP signed-note section Signatures and section Verifier keys): names, ids, verifier keys and signing keys.
//!
//! A signature line names its key by name and a 32-bit id. The id is short on purpose: it only says *which* of the keys that one
//! already trusts is meant, so nothing here ever looks a key up by id alone or takes an id as proof of anything.
//!
//! Invariant: a [`VerifierKey`] that exists has the id that its name, algorithm and public key give, and a public key that can
//! safely verify: an Ed25519 key is canonically encoded and not of small order (with one of those, a single signature can be valid
//! for many messages).

mod ed25519;
mod file;
mod public;
mod signing;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::base64;
use crate::checkpoint::Checkpoint;
use crate::cosignature;
use crate::hash::Hash;

pub use ed25519::TABLE_BYTES;
pub use file::{KeyFileError, encode_pem};
pub use public::InvalidPublicKey;
pub use signing::{InvalidSigningKey, SignError, SigningKey};

use public::PublicKey;

/// The name of a key: not empty, without Unicode spaces, `+` or control characters, for example `example.com/log42`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a text cannot be the name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyName {
    /// There is no text.
    #[error("a key name cannot be empty; use a name like example.com/log")]
    Empty,
    /// A space or something that Unicode counts as one.
    #[error("a key name cannot contain spaces; use a name like example.com/log")]
    Space,
    /// A plus sign separates the parts of a verifier key.
    #[error("a key name cannot contain '+'; use a name like example.com/log")]
    Plus,
    /// A control character.
    #[error("a key name cannot contain control characters; use a name like example.com/log")]
    Control,
}

impl KeyName {
    /// Takes `name` as the name of a key.
    pub fn new(name: &str) -> Result<Self, InvalidKeyName> {
        // SPEC: signed-note §Format: non-empty, no Unicode spaces, no plus; control characters are barred from the whole note.
        if name.is_empty() {
            return Err(InvalidKeyName::Empty);
        }
        for c in name.chars() {
            match c {
                '+' => return Err(InvalidKeyName::Plus),
                c if c.is_whitespace() => return Err(InvalidKeyName::Space),
                c if c < ' ' => return Err(InvalidKeyName::Control),
                _ => {}
            }
        }
        Ok(KeyName(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(name: &str) -> Result<Self, InvalidKeyName> {
        KeyName::new(name)
    }
}

/// The short identifier of a key, printed as eight hexadecimal digits. Together with the name it says which key is meant; it is
/// not a secure hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl KeyId {
    /// Takes a number as a key id.
    pub const fn new(id: u32) -> Self {
        KeyId(id)
    }

    /// The number; signatures carry it big-endian.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    fn of_hash(hash: &Hash) -> Self {
        let [a, b, c, d, ..] = *hash.as_bytes();
        KeyId(u32::from_be_bytes([a, b, c, d]))
    }

    /// Exactly eight lower-case hexadecimal digits.
    fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 8 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| u32::from_str_radix(text, 16).ok().map(KeyId)).flatten()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a key signs and how. The number of each is its signature type byte (signed-note section Signature types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 over the text of a note: how a log signs.
    Ed25519,
    /// ECDSA on P-256 with SHA-256 over the text of a note. Only verified here, never made.
    EcdsaP256,
    /// Ed25519 over a checkpoint with a time: how a witness cosigns.
    CosignatureEd25519,
    /// ML-DSA-44 over a tree or subtree with a time: how a witness cosigns such that a quantum computer could not forge it.
    CosignatureMlDsa44,
}

impl Algorithm {
    /// The signature type byte.
    pub const fn type_byte(self) -> u8 {
        match self {
            Algorithm::Ed25519 => 0x01,
            Algorithm::EcdsaP256 => 0x02,
            Algorithm::CosignatureEd25519 => 0x04,
            Algorithm::CosignatureMlDsa44 => 0x06,
        }
    }

    /// The algorithm of a signature type byte, if it is one of ours.
    pub fn from_type_byte(byte: u8) -> Option<Self> {
        let all = [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];
        all.into_iter().find(|algorithm| algorithm.type_byte() == byte)
    }

    /// Whether its signatures carry a time and are made over checkpoints only; what tlog-policy allows as a witness.
    pub const fn is_cosignature(self) -> bool {
        matches!(self, Algorithm::CosignatureEd25519 | Algorithm::CosignatureMlDsa44)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::EcdsaP256 => "ECDSA P-256",
            Algorithm::CosignatureEd25519 => "Ed25519 cosignature",
            Algorithm::CosignatureMlDsa44 => "ML-DSA-44 cosignature",
        })
    }
}

/// A public key with its name and algorithm: what one is given to check signatures with. Its text form is called a vkey.
///
/// ```
/// use tlog::key::VerifierKey;
/// use tlog::note::Note;
///
/// let key: VerifierKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse()?;
/// assert_eq!(key.name().as_str(), "example.com/foo");
/// assert_eq!(key.id().to_string(), "530d903a");
///
/// let note = Note::parse("This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7\
///     Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n".as_bytes())?;
/// assert_eq!(note.verify(&[key.clone()])?, [&key]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    algorithm: Algorithm,
    public: PublicKey,
}

/// A signature does not verify: the signed text was changed, or the signature was, or another key made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the text and the key: one of them was altered")]
pub struct BadSignature;

impl VerifierKey {
    /// Puts a verifier key together from the public key's bytes as a vkey has them: 32 bytes for Ed25519, 1,312 for ML-DSA-44, and
    /// the DER-encoded `SubjectPublicKeyInfo` for ECDSA P-256.
    pub fn new(name: KeyName, algorithm: Algorithm, public_key: &[u8]) -> Result<Self, InvalidPublicKey> {
        if algorithm == Algorithm::CosignatureMlDsa44 && name.as_str().len() > cosignature::MAX_NAME {
            return Err(InvalidPublicKey::NameTooLong);
        }
        let public = PublicKey::parse(algorithm, public_key)?;
        let id = match algorithm {
            // SPEC: signed-note §Signature types: the id of an ECDSA key is the hash of its SPKI alone.
            Algorithm::EcdsaP256 => KeyId::of_hash(&Hash::sha256(public_key)),
            // SPEC: signed-note §Ed25519 signatures, tlog-cosignature §Format.
            Algorithm::Ed25519 | Algorithm::CosignatureEd25519 | Algorithm::CosignatureMlDsa44 => {
                let hashed = [name.as_str().as_bytes(), b"\n", &[algorithm.type_byte()], public_key].concat();
                KeyId::of_hash(&Hash::sha256(&hashed))
            }
        };
        Ok(VerifierKey { name, id, algorithm, public })
    }

    /// The name that the key's signature lines carry.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id that the key's signature lines carry.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key as in the vkey, without the type byte.
    pub fn public_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    /// Whether both wrap the same public key, be it under other names or for other algorithms: tlog-policy calls them duplicates.
    pub fn same_public_key(&self, other: &VerifierKey) -> bool {
        self.public == other.public
    }

    /// The same key for whoever verifies many of its signatures: each takes half the time, and the verdicts are the same. It takes
    /// [`TABLE_BYTES`] of memory, which clones share, and making it takes as long as one or two verifications. Keys that are not Ed25519 stay
    /// as they are.
    #[must_use]
    pub fn with_table(&self) -> Self {
        match &self.public {
            PublicKey::Ed25519(key) => VerifierKey { public: PublicKey::Ed25519(key.with_table()), ..self.clone() },
            PublicKey::P256(_) | PublicKey::MlDsa44(_) => self.clone(),
        }
    }

    /// Whether it has a table.
    pub fn has_table(&self) -> bool {
        matches!(&self.public, PublicKey::Ed25519(key) if key.has_table())
    }

    /// The same key with another id, as it would be if somebody had found two keys with one id, which takes 2^32 attempts.
    #[cfg(test)]
    pub(crate) fn with_id(self, id: KeyId) -> Self {
        VerifierKey { id, ..self }
    }

    /// Verifies the bytes of a signature (without the key id) over the text of a note. For cosignatures the text must be a
    /// checkpoint; of an ML-DSA-44 one the extension lines are not covered by the signature.
    pub fn verify_note(&self, text: &str, signature: &[u8]) -> Result<(), BadSignature> {
        match self.algorithm {
            Algorithm::Ed25519 | Algorithm::EcdsaP256 => self.public.verify(text.as_bytes(), signature),
            Algorithm::CosignatureEd25519 | Algorithm::CosignatureMlDsa44 => {
                let checkpoint = Checkpoint::parse(text).map_err(|_| BadSignature)?;
                self.verify_cosignature(&checkpoint, signature).map(|_| ())
            }
        }
    }

    /// Verifies a cosignature over a checkpoint and gives its time, in seconds since 1970; `None` means that the cosigner did not
    /// state one. A key that makes no cosignatures verifies none.
    pub fn verify_cosignature(&self, checkpoint: &Checkpoint, signature: &[u8]) -> Result<Option<NonZeroU64>, BadSignature> {
        let (timestamp, message, signature) = cosignature::signed_message(self, checkpoint, signature).ok_or(BadSignature)?;
        self.public.verify(&message, signature)?;
        Ok(NonZeroU64::new(timestamp))
    }

    /// [`VerifierKey::verify_note`] for callers that have parsed the text already, if it is a checkpoint. Plain signatures have no
    /// time.
    pub(crate) fn verify_text(
        &self,
        text: &str,
        checkpoint: Option<&Checkpoint>,
        signature: &[u8],
    ) -> Result<Option<NonZeroU64>, BadSignature> {
        match self.algorithm {
            Algorithm::Ed25519 | Algorithm::EcdsaP256 => self.public.verify(text.as_bytes(), signature).map(|()| None),
            // What is cosigned is a checkpoint, never other text.
            Algorithm::CosignatureEd25519 | Algorithm::CosignatureMlDsa44 => {
                self.verify_cosignature(checkpoint.ok_or(BadSignature)?, signature)
            }
        }
    }

    /// Verifies a signature over a message that is not a note's text.
    pub(crate) fn verify_message(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.public.verify(message, signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.algorithm.type_byte()], self.public_key()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, base64::encode(&material))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({}+{}, {})", self.name, self.id, self.algorithm)
    }
}

/// Why a text is not a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVerifierKey {
    /// Not three parts.
    #[error("this is not a verifier key: expected NAME+ID+KEY on one line, as `acta keygen` writes into FILE.vkey")]
    NotAVerifierKey,
    /// The first part.
    #[error("the name in the verifier key is not allowed: {0}")]
    Name(InvalidKeyName),
    /// The second part.
    #[error("the middle part of a verifier key must be eight lower-case hexadecimal digits; copy the whole key again")]
    MalformedId,
    /// The third part is not base64.
    #[error("the last part of the verifier key is not base64; copy the whole key again")]
    MalformedBase64,
    /// The type byte is none of ours.
    #[error(
        "the verifier key is of type {0:#04x}, which is not supported: known are Ed25519 (0x01), ECDSA P-256 (0x02) and the \
         cosignatures Ed25519 (0x04) and ML-DSA-44 (0x06)"
    )]
    UnknownAlgorithm(u8),
    /// The public key in the third part.
    #[error("the public key in the verifier key is not usable: {0}")]
    PublicKey(InvalidPublicKey),
    /// The id is not that of the name and key.
    #[error("the verifier key says its id is {found}, but its name and key give {expected}: it was altered or mistyped; copy it again")]
    WrongId {
        /// What name, algorithm and key give.
        expected: KeyId,
        /// What the text says.
        found: KeyId,
    },
}

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;

    // SPEC: signed-note §Verifier keys.
    fn from_str(text: &str) -> Result<Self, InvalidVerifierKey> {
        // The base64 part may contain `+` itself, the name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidVerifierKey::NotAVerifierKey);
        };
        let name = KeyName::new(name).map_err(InvalidVerifierKey::Name)?;
        let found = KeyId::parse(id).ok_or(InvalidVerifierKey::MalformedId)?;
        let material = base64::decode(material).ok_or(InvalidVerifierKey::MalformedBase64)?;
        let (&algorithm, public_key) = material.split_first().ok_or(InvalidVerifierKey::NotAVerifierKey)?;
        let algorithm = Algorithm::from_type_byte(algorithm).ok_or(InvalidVerifierKey::UnknownAlgorithm(algorithm))?;
        let key = VerifierKey::new(name, algorithm, public_key).map_err(InvalidVerifierKey::PublicKey)?;
        if key.id != found {
            return Err(InvalidVerifierKey::WrongId { expected: key.id, found });
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
