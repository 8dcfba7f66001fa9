//! Ed25519 public keys, and the verification of their signatures (RFC 8032 section 5.1.7, strictly).
//!
//! Implementations differ on what the RFC leaves open, and a signature on which two verifiers disagree is a split view by itself. So what holds
//! is the strictest reading, that of `verify_strict` of `ed25519-dalek`: the equation without cofactor, canonical encodings only, and neither
//! the key nor the first half of the signature of small order.
//!
//! **Two ways to the same verdict.** `verify_strict` computes R = s·B − k·A with 256 doublings, which do not depend on the signature. A key
//! that verifies many signatures can keep multiples of −A in a [`Table`] and does without them: it takes half the time. Whatever R is
//! compared with is then computed by the same library, by additions of whole points; only in which order it adds is ours. The tests hold
//! the one against the other on everything on which implementations are known to differ.
//!
//! Nothing here is secret, so nothing takes care to take the same time for all values.

mod table;

use std::sync::{Arc, LazyLock};

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha512};

use self::table::Table;
use super::{BadSignature, InvalidPublicKey};

/// A key's table. Wider windows would be no faster: the time that they save is spent on memory.
type KeyTable = Table<4, 4>;

/// The bytes of memory that [`VerifierKey::with_table`](super::VerifierKey::with_table) takes.
pub const TABLE_BYTES: usize = KeyTable::BYTES;

/// Multiples of the base point, for all keys: 640 KB, made when a key first gets a table.
static OF_BASE_POINT: LazyLock<Table<8, 1>> = LazyLock::new(|| Table::new(&ED25519_BASEPOINT_POINT));

/// The encodings of all points of small order. Other spellings of them are refused because they are other spellings.
static OF_SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// A key: a point that is not of small order, from its one encoding. Equal means the same key, with or without a table.
#[derive(Clone)]
pub(super) struct Ed25519Key {
    key: VerifyingKey,
    /// Of −A.
    table: Option<Arc<KeyTable>>,
}

impl Ed25519Key {
    pub(super) fn parse(bytes: &[u8; 32]) -> Result<Self, InvalidPublicKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| InvalidPublicKey::NotAPoint)?;
        if key.is_weak() {
            return Err(InvalidPublicKey::SmallOrder);
        }
        // Decoding reduces the coordinate; only the reduced spelling is the key, else one key had two ids.
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(InvalidPublicKey::NotAPoint);
        }
        Ok(Ed25519Key { key, table: None })
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(super) fn with_table(&self) -> Self {
        let table = self.table.clone().unwrap_or_else(|| Arc::new(Table::new(&-self.key.to_edwards())));
        Ed25519Key { key: self.key, table: Some(table) }
    }

    pub(super) fn has_table(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let Some(table) = &self.table else {
            let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
            return self.key.verify_strict(message, &signature).map_err(|_| BadSignature);
        };
        let (r, s) = signature.split_first_chunk::<32>().ok_or(BadSignature)?;
        let s = s.try_into().map_err(|_| BadSignature)?;
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)).ok_or(BadSignature)?;
        // `verify_strict` decodes R to see whether its order is small. What is compared below is the only encoding of the point that
        // was computed, so if it is equal, R is a point and that one, and its order is small if it is one of these.
        if OF_SMALL_ORDER.contains(r) {
            return Err(BadSignature);
        }
        let expected = OF_BASE_POINT.multiply(&s) + table.multiply(&self.challenge(r, message));
        if expected.compress().as_bytes() == r { Ok(()) } else { Err(BadSignature) }
    }

    /// RFC 8032 section 5.1.7, step 2: the digest that is called k there.
    fn challenge(&self, r: &[u8; 32], message: &[u8]) -> Scalar {
        let digest = Sha512::new().chain_update(r).chain_update(self.key.as_bytes()).chain_update(message).finalize();
        Scalar::from_bytes_mod_order_wide(&digest.into())
    }
}

impl PartialEq for Ed25519Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Ed25519Key {}

#[cfg(test)]
mod tests;
