//! The text of key files: PKCS#8 in PEM as `openssl genpkey -algorithm ed25519` writes it, and Go's `PRIVATE+KEY+…` strings.
//!
//! Only text: which file, who may read it, and that none is overwritten are matters of the crate `keyfile`. Buffers with secret bytes are
//! wiped when they are dropped.

use zeroize::Zeroizing;

use super::{Algorithm, InvalidSigningKey, KeyId, KeyName, SigningKey, VerifierKey};
use crate::base64;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
const GO_START: &str = "PRIVATE+KEY+";

/// 1.3.101.112 (RFC 8410).
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 2.16.840.1.101.3.4.3.17 (RFC 9881).
const OID_ML_DSA_44: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `[0] IMPLICIT`, primitive: the seed in an ML-DSA private key.
const SEED: u8 = 0x80;
/// `[0] IMPLICIT`, constructed: attributes, which other programs may add.
const ATTRIBUTES: u8 = 0xa0;
/// `[1] IMPLICIT`, primitive: the public key that version 2 of the format may carry.
const PUBLIC_KEY: u8 = 0x81;

/// Why a text is not a key file that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Neither form.
    #[error(
        "this is not a private key: expected a file that starts with {PEM_BEGIN} (as `acta keygen` writes it), or a line that starts \
         with {GO_START}"
    )]
    NotAPrivateKey,
    /// PEM with a password.
    #[error("this private key is protected by a password; store it without one: openssl pkcs8 -topk8 -nocrypt -in FILE -out NEWFILE")]
    Encrypted,
    /// The base64 or what is in it.
    #[error("the private key is damaged: what it contains cannot be read; restore the file from its copy")]
    Malformed,
    /// An RSA key, an ECDSA key, or so.
    #[error("the file holds a private key of another kind; only Ed25519 and ML-DSA-44 keys can sign here, make one with `acta keygen`")]
    UnsupportedKey,
    /// An ML-DSA key without its seed.
    #[error("the file holds an ML-DSA-44 key in expanded form only; export it with its seed, or make a new key with `acta keygen`")]
    ExpandedOnly,
    /// The key is not for the algorithm asked for.
    #[error(
        "the file holds a key of another kind than its verifier key says ({0}); the two files do not belong together, find the right FILE.vkey"
    )]
    OtherAlgorithm(Algorithm),
    /// The name or id in a Go key.
    #[error("the name or id in the private key does not fit the key in it: it was altered or mistyped; restore it from its copy")]
    WrongName,
    /// PEM has no name.
    #[error("a private key in PEM form has no name; put its verifier key (NAME+ID+KEY) beside it in FILE.vkey")]
    VerifierKeyMissing,
    /// Another key's vkey.
    #[error("the verifier key beside the private key belongs to another key; find the right FILE.vkey")]
    OtherVerifierKey,
    /// The key cannot sign.
    #[error(transparent)]
    SigningKey(#[from] InvalidSigningKey),
}

/// The key as PKCS#8 in PEM, in the form of `openssl genpkey`: what [`SigningKey::from_pem`] reads. Whoever sees this text can sign.
/// It holds neither name nor cosignature type; those are in the vkey, which belongs beside it.
///
/// ```
/// use tlog::key::{Algorithm, KeyName, SigningKey, encode_pem};
///
/// let name = KeyName::new("example.com/log")?;
/// let key = SigningKey::from_seed(name.clone(), Algorithm::Ed25519, &[7; 32])?;
/// let again = SigningKey::from_pem(&encode_pem(&key), name, Algorithm::Ed25519)?;
/// assert_eq!(again.verifier_key(), key.verifier_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_pem(key: &SigningKey) -> Zeroizing<String> {
    let (oid, tag) = match key.verifier_key().algorithm() {
        Algorithm::CosignatureMlDsa44 => (OID_ML_DSA_44, SEED),
        // A signing key is never ECDSA.
        Algorithm::Ed25519 | Algorithm::CosignatureEd25519 | Algorithm::EcdsaP256 => (OID_ED25519, OCTET_STRING),
    };
    let private_key = der(OCTET_STRING, &der(tag, key.seed().as_slice()));
    let body = Zeroizing::new([&[INTEGER, 1, 0], der(SEQUENCE, &der(OID, oid)).as_slice(), &private_key].concat());
    let encoded = Zeroizing::new(base64::encode(&der(SEQUENCE, &body)));
    let mut pem = Zeroizing::new(String::with_capacity(encoded.len() + 64));
    pem.push_str(PEM_BEGIN);
    pem.push('\n');
    for (i, c) in encoded.chars().enumerate() {
        pem.push(c);
        // RFC 7468: 64 characters a line.
        if i % 64 == 63 {
            pem.push('\n');
        }
    }
    if !encoded.len().is_multiple_of(64) {
        pem.push('\n');
    }
    pem.push_str(PEM_END);
    pem.push('\n');
    pem
}

/// DER of a value of less than 128 bytes.
fn der(tag: u8, value: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u8::try_from(value.len()).ok().filter(|length| *length < 0x80).expect("keys that are written are short");
    Zeroizing::new([&[tag, length], value].concat())
}

impl SigningKey {
    /// Reads the text of a key file in either form. One in PEM has no name, so it needs the vkey from beside it; where there is a
    /// vkey it must belong to the key.
    pub fn parse_file(text: &str, verifier_key: Option<&VerifierKey>) -> Result<SigningKey, KeyFileError> {
        let key = if text.trim_start().starts_with(GO_START) {
            SigningKey::from_go(text)?
        } else if let Some(verifier_key) = verifier_key {
            SigningKey::from_pem(text, verifier_key.name().clone(), verifier_key.algorithm())?
        } else {
            // Say what is wrong with the text itself before asking for a vkey.
            parse_pem(text)?;
            return Err(KeyFileError::VerifierKeyMissing);
        };
        match verifier_key {
            Some(verifier_key) if verifier_key != key.verifier_key() => Err(KeyFileError::OtherVerifierKey),
            _ => Ok(key),
        }
    }

    /// Reads PKCS#8 in PEM: Ed25519 as `openssl genpkey -algorithm ed25519` writes it, or the seed of an ML-DSA-44 key.
    pub fn from_pem(text: &str, name: KeyName, algorithm: Algorithm) -> Result<SigningKey, KeyFileError> {
        let private = parse_pem(text)?;
        let fits = match algorithm {
            Algorithm::Ed25519 | Algorithm::CosignatureEd25519 => private.kind == Kind::Ed25519,
            Algorithm::CosignatureMlDsa44 => private.kind == Kind::MlDsa44,
            Algorithm::EcdsaP256 => return Err(InvalidSigningKey::VerifyOnly.into()),
        };
        if !fits {
            return Err(KeyFileError::OtherAlgorithm(algorithm));
        }
        let key = SigningKey::from_seed(name, algorithm, &private.seed)?;
        if private.expanded.is_some_and(|expanded| !key.expands_to(&expanded)) {
            return Err(KeyFileError::Malformed);
        }
        if private.public_key.is_some_and(|public_key| public_key != key.verifier_key().public_key()) {
            return Err(KeyFileError::Malformed);
        }
        Ok(key)
    }

    /// Reads the private key format of Go's `golang.org/x/mod/sumdb/note`: `PRIVATE+KEY+name+id+base64(type ‖ seed)`.
    pub fn from_go(text: &str) -> Result<SigningKey, KeyFileError> {
        let rest = text.trim().strip_prefix(GO_START).ok_or(KeyFileError::NotAPrivateKey)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyFileError::Malformed);
        };
        let name = KeyName::new(name).map_err(|_| KeyFileError::Malformed)?;
        let id = KeyId::parse(id).ok_or(KeyFileError::Malformed)?;
        let bytes = Zeroizing::new(base64::decode(encoded).ok_or(KeyFileError::Malformed)?);
        let (&algorithm, seed) = bytes.split_first().ok_or(KeyFileError::Malformed)?;
        let algorithm = Algorithm::from_type_byte(algorithm).ok_or(KeyFileError::UnsupportedKey)?;
        let seed: &[u8; 32] = seed.try_into().map_err(|_| KeyFileError::Malformed)?;
        let key = SigningKey::from_seed(name, algorithm, seed)?;
        if key.verifier_key().id() != id {
            return Err(KeyFileError::WrongName);
        }
        Ok(key)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    MlDsa44,
}

struct Pkcs8 {
    kind: Kind,
    seed: Zeroizing<[u8; 32]>,
    /// What an ML-DSA key may carry besides its seed: the key that is made from it.
    expanded: Option<Zeroizing<Vec<u8>>>,
    public_key: Option<Vec<u8>>,
}

fn parse_pem(text: &str) -> Result<Pkcs8, KeyFileError> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Err(KeyFileError::Encrypted);
    }
    let rest = text.trim().strip_prefix(PEM_BEGIN).ok_or(KeyFileError::NotAPrivateKey)?;
    let body = rest.strip_suffix(PEM_END).ok_or(KeyFileError::Malformed)?;
    let mut encoded = Zeroizing::new(String::with_capacity(body.len()));
    encoded.extend(body.chars().filter(|c| !matches!(c, '\n' | '\r' | ' ' | '\t')));
    let bytes = Zeroizing::new(base64::decode(&encoded).ok_or(KeyFileError::Malformed)?);
    parse_pkcs8(&bytes)
}

/// PKCS#8 (RFC 5958): version, algorithm, private key, and in version 2 perhaps the public key.
fn parse_pkcs8(bytes: &[u8]) -> Result<Pkcs8, KeyFileError> {
    let malformed = KeyFileError::Malformed;
    let mut outer = Der(bytes);
    let mut fields = Der(outer.take(SEQUENCE).ok_or(malformed)?);
    let version = fields.take(INTEGER).ok_or(malformed)?;
    let mut algorithm = Der(fields.take(SEQUENCE).ok_or(malformed)?);
    let private_key = fields.take(OCTET_STRING).ok_or(malformed)?;
    let oid = algorithm.take(OID).ok_or(malformed)?;
    let kind = match oid {
        OID_ED25519 => Kind::Ed25519,
        OID_ML_DSA_44 => Kind::MlDsa44,
        _ => return Err(KeyFileError::UnsupportedKey),
    };
    // They say nothing about the key: a name to show, or what it may be used for.
    let _attributes = fields.take(ATTRIBUTES);
    // The bit string begins with the number of unused bits, which is 0 for whole bytes.
    let public_key = match version {
        [1] => fields.take(PUBLIC_KEY).map(|bits| bits.strip_prefix(&[0]).map(<[u8]>::to_vec).ok_or(malformed)).transpose()?,
        [0] => None,
        _ => return Err(malformed),
    };
    if !(outer.is_done() && fields.is_done() && algorithm.is_done()) {
        return Err(malformed);
    }
    let mut private_key = Der(private_key);
    let (seed, expanded) = match kind {
        Kind::Ed25519 => (private_key.take(OCTET_STRING).ok_or(malformed)?, None),
        Kind::MlDsa44 => match (private_key.take(SEED), private_key.take(SEQUENCE)) {
            (Some(seed), None) => (seed, None),
            // RFC 9881 §6: seed and expanded key, as OpenSSL 3.5 writes. If they differ, nobody knows which one the owner means.
            (None, Some(both)) => {
                let mut both = Der(both);
                let (seed, expanded) = (both.take(OCTET_STRING).ok_or(malformed)?, both.take(OCTET_STRING).ok_or(malformed)?);
                if !both.is_done() {
                    return Err(malformed);
                }
                (seed, Some(Zeroizing::new(expanded.to_vec())))
            }
            _ => return Err(KeyFileError::ExpandedOnly),
        },
    };
    if !private_key.is_done() {
        return Err(malformed);
    }
    let seed = Zeroizing::new(seed.try_into().map_err(|_| malformed)?);
    Ok(Pkcs8 { kind, seed, expanded, public_key })
}

/// A reader of DER values one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value if it has this tag; else nothing is consumed.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let rest = self.0.strip_prefix(&[tag])?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            ..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&length, rest) = rest.split_first()?;
                (length >= 0x80).then_some((usize::from(length), rest))?
            }
            0x82 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                let length = u16::from_be_bytes(*length);
                (length >= 0x100).then_some((usize::from(length), rest))?
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }

    fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}
