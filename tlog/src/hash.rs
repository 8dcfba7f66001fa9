//! SHA-256 as RFC 6962 section 2.1 uses it, and the newtypes for what is counted and hashed.
//!
//! A leaf and an interior node are hashed with different first bytes, so that neither can be passed off as the other.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::base64;

/// A SHA-256 hash: of an entry (a leaf), of two hashes (a node), or the root of a tree. 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// What was given as a hash is not 32 bytes in the encoding asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a SHA-256 hash: expected exactly 32 bytes")]
pub struct MalformedHash;

impl Hash {
    /// The number of bytes of a hash.
    pub const LEN: usize = 32;

    /// The root of the tree without leaves: SHA-256 of the empty string (RFC 6962 section 2.1).
    pub const EMPTY_TREE: Hash = Hash([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
        0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Takes 32 bytes as a hash.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Hash(bytes)
    }

    /// The hash of a leaf: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1.
    pub fn leaf(entry: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        hasher.update(entry);
        Hash(hasher.finalize().into())
    }

    /// The hash of an interior node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
    pub fn node(left: &Hash, right: &Hash) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x01]);
        hasher.update(left.0);
        hasher.update(right.0);
        Hash(hasher.finalize().into())
    }

    /// Plain SHA-256, as for key ids and document digests.
    pub fn sha256(bytes: &[u8]) -> Self {
        Hash(Sha256::digest(bytes).into())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Standard base64, as in checkpoints and proofs: 44 characters.
    pub fn to_base64(&self) -> String {
        base64::encode(&self.0)
    }

    /// Parses what [`Hash::to_base64`] prints.
    pub fn from_base64(text: &str) -> Result<Self, MalformedHash> {
        base64::decode(text).ok_or(MalformedHash)?.as_slice().try_into()
    }

    /// Lower-case hexadecimal: 64 characters.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses what [`Hash::to_hex`] prints.
    pub fn from_hex(text: &str) -> Result<Self, MalformedHash> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(MalformedHash),
        };
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(MalformedHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Hash(bytes))
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = MalformedHash;

    fn try_from(bytes: &[u8]) -> Result<Self, MalformedHash> {
        bytes.try_into().map(Hash).map_err(|_| MalformedHash)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// How many leaves a tree has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSize(u64);

/// The position of a leaf, from 0. A tree of size n has the indexes below n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(u64);

impl TreeSize {
    /// The tree without leaves.
    pub const ZERO: TreeSize = TreeSize(0);

    /// The largest tree: proofs have at most 63 hashes. Sizes that were only read may be larger, and are refused where they are used.
    pub const MAX: TreeSize = TreeSize(1 << 63);

    /// A tree of `leaves` leaves.
    pub const fn new(leaves: u64) -> Self {
        TreeSize(leaves)
    }

    /// The number of leaves.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whether a tree of this size has a leaf at `index`.
    pub const fn contains(self, index: LeafIndex) -> bool {
        index.0 < self.0
    }
}

impl LeafIndex {
    /// The leaf at position `index`, from 0.
    pub const fn new(index: u64) -> Self {
        LeafIndex(index)
    }

    /// The position, from 0.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses a decimal number as every format here writes it: ASCII digits, no sign, no leading zero but in `0` itself.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(Hash::EMPTY_TREE, Hash::sha256(b""));
    }

    #[test]
    fn a_node_is_not_the_leaf_of_its_children() {
        let (a, b) = (Hash::leaf(b"a"), Hash::leaf(b"b"));
        assert_ne!(Hash::node(&a, &b), Hash::leaf(&[a.0, b.0].concat()));
    }

    #[test]
    fn only_32_bytes_are_a_hash() {
        for len in [0, 31, 33] {
            assert_eq!(Hash::try_from(vec![0; len].as_slice()), Err(MalformedHash));
        }
        let hash = Hash::leaf(b"x");
        assert_eq!(Hash::from_hex(&hash.to_hex()), Ok(hash));
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(Hash::from_hex(&hash.to_hex().to_uppercase()), Err(MalformedHash));
        assert_eq!(Hash::from_base64(&(hash.to_base64() + "\n")), Err(MalformedHash));
    }

    #[test]
    fn decimals_have_one_spelling() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "18446744073709551616", "١"] {
            assert_eq!(parse_decimal(bad), None, "{bad:?}");
        }
    }
}
