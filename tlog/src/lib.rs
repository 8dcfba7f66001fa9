//! The public formats of transparency logs, and nothing else.
//!
//! A transparency log is a list to which entries are only ever added. The log hashes its entries into a Merkle tree and signs the
//! tree's root hash and size: a [checkpoint](checkpoint::Checkpoint). With that, short proofs show that an entry is in the list
//! ([`merkle::verify_inclusion`]) and that a longer list begins with a shorter one ([`merkle::verify_consistency`]). Independent
//! witnesses add their signatures ([`cosignature`]), a [policy](policy::Policy) says which of them must have, and a
//! [proof](proof::Proof) puts all of it into one file that can be checked offline.
//!
//! One module for each specification:
//!
//! | module | specification |
//! |---|---|
//! | [`hash`], [`merkle`] | RFC 6962 section 2; subtrees of draft-ietf-plants-merkle-tree-certs |
//! | [`tiles`] | C2SP tlog-tiles |
//! | [`note`], [`key`] | C2SP signed-note |
//! | [`checkpoint`] | C2SP tlog-checkpoint |
//! | [`cosignature`] | C2SP tlog-cosignature |
//! | [`policy`] | C2SP tlog-policy |
//! | [`proof`] | C2SP tlog-proof |
//! | [`witness`] | C2SP tlog-witness |
//! | [`evidence`] | our own: `docs/formats.md` says how the file is written |
//!
//! Errors name foreign logs and keys through [`printable`], so that they can go to a terminal as they are. An error's text includes that
//! of its cause, and `source()` gives none: print the error, not a chain.
//!
//! The crate is pure: it opens no file or socket, reads no clock and draws no random numbers; each of these is an argument. Whatever
//! it parses may come from an enemy, so no input makes it panic or allocate more than a small multiple of the input's own size.

pub mod checkpoint;
pub mod cosignature;
pub mod evidence;
pub mod hash;
pub mod key;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod printable;
pub mod proof;
pub mod tiles;
pub mod witness;

mod base64;
#[cfg(test)]
mod work;

pub use hash::{Hash, LeafIndex, TreeSize};
