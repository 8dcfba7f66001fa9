//! Public keys and the verification of signatures, without names and ids.
//!
//! How Ed25519 is verified is in [`ed25519`](super::ed25519).

use std::sync::Arc;

use ml_dsa::MlDsa44;
use ml_dsa::signature::Verifier as _;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::ed25519::Ed25519Key;
use super::{Algorithm, BadSignature};

/// The length of an ML-DSA-44 public key.
pub(crate) const ML_DSA_44_PUBLIC_KEY: usize = 1312;

/// DER of a `SubjectPublicKeyInfo` for a P-256 key up to the uncompressed point (RFC 5480): the only encoding that is accepted.
const P256_SPKI_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The length of such an SPKI, with the two coordinates.
const P256_SPKI: usize = P256_SPKI_PREFIX.len() + 64;

/// A public key. Equal means the same key, whatever it is used for.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    Ed25519(Ed25519Key),
    /// The whole DER.
    P256(Arc<[u8; P256_SPKI]>),
    /// The encoded key: expanding it makes it twelve times larger, and a policy may list many.
    MlDsa44(Arc<[u8; ML_DSA_44_PUBLIC_KEY]>),
}

/// Why some bytes are not usable as a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPublicKey {
    /// The number of bytes is wrong.
    #[error("an {algorithm} public key has {expected} bytes, this one has {found}; copy the whole key again")]
    WrongLength {
        /// Of which key.
        algorithm: Algorithm,
        /// The bytes it must have.
        expected: usize,
        /// The bytes it has.
        found: usize,
    },
    /// The bytes are no point of the curve in its one encoding.
    #[error("these bytes are not an Ed25519 public key; copy the whole key again")]
    NotAPoint,
    /// The key is one of the few for which signatures can be made without a secret.
    #[error("this Ed25519 public key is of small order: anybody could sign for it; ask its owner for a real key")]
    SmallOrder,
    /// Another curve or encoding.
    #[error(
        "this is not an ECDSA key on the curve P-256 in uncompressed DER form (SubjectPublicKeyInfo); no other ECDSA keys are supported"
    )]
    NotP256,
    /// ML-DSA-44 cosignatures have one byte for the length of the name.
    #[error("the name of an ML-DSA-44 cosignature key can have at most 255 bytes; choose a shorter one")]
    NameTooLong,
}

impl PublicKey {
    pub(super) fn parse(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, InvalidPublicKey> {
        let wrong_length = |expected| InvalidPublicKey::WrongLength { algorithm, expected, found: bytes.len() };
        match algorithm {
            Algorithm::Ed25519 | Algorithm::CosignatureEd25519 => {
                let bytes = bytes.try_into().map_err(|_| wrong_length(32))?;
                Ed25519Key::parse(bytes).map(PublicKey::Ed25519)
            }
            Algorithm::EcdsaP256 => {
                let bytes: [u8; P256_SPKI] = bytes.try_into().map_err(|_| InvalidPublicKey::NotP256)?;
                if !bytes.starts_with(&P256_SPKI_PREFIX) {
                    return Err(InvalidPublicKey::NotP256);
                }
                Ok(PublicKey::P256(Arc::new(bytes)))
            }
            Algorithm::CosignatureMlDsa44 => {
                let bytes: [u8; ML_DSA_44_PUBLIC_KEY] = bytes.try_into().map_err(|_| wrong_length(ML_DSA_44_PUBLIC_KEY))?;
                Ok(PublicKey::MlDsa44(Arc::new(bytes)))
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            PublicKey::Ed25519(key) => key.as_bytes(),
            PublicKey::P256(spki) => spki.as_slice(),
            PublicKey::MlDsa44(bytes) => bytes.as_slice(),
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        #[cfg(test)]
        crate::work::VERIFIED.with(crate::work::count);
        match self {
            PublicKey::Ed25519(key) => key.verify(message, signature),
            PublicKey::P256(spki) => {
                // The point with its first byte, which says that it is uncompressed.
                let point = &spki[P256_SPKI_PREFIX.len() - 1..];
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).map_err(|_| BadSignature)
            }
            PublicKey::MlDsa44(bytes) => {
                let key = ml_dsa::VerifyingKey::<MlDsa44>::decode(&(**bytes).into());
                let signature = ml_dsa::Signature::<MlDsa44>::try_from(signature).map_err(|_| BadSignature)?;
                // SPEC: tlog-cosignature §ML-DSA-44 signed message: plain ML-DSA (FIPS 204) with the empty context.
                key.verify(message, &signature).map_err(|_| BadSignature)
            }
        }
    }
}
