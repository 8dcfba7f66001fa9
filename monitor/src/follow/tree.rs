//! The tree of the entries that were taken in, continued bundle by bundle and computed from the entries themselves.
//!
//! A full bundle is one node of the tree, so there is a tree of bundles, which is appended to, and the tree of the last bundle, which is made
//! anew each time that it grows. Together they have the same right edge as the tree of all entries.

use acta_client::verified::VerifiedBundle;
use tlog::merkle::{Appender, AppenderError, Node};
use tlog::tiles::{TILE_HEIGHT, TILE_WIDTH};
use tlog::{Hash, LeafIndex, TreeSize};

/// The tree so far.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    bundles: Appender,
    last: Appender,
}

/// A bundle does not continue the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    /// It has other entries at places that were taken in before.
    #[error("the entries from {0} on are not what they were when they were read before")]
    Changed(LeafIndex),
    /// The size is impossible.
    #[error(transparent)]
    Appender(#[from] AppenderError),
}

impl Tree {
    /// The tree with this right edge: see [`Appender::peaks`].
    pub(crate) fn new(size: TreeSize, peaks: &[Hash]) -> Result<Self, AppenderError> {
        let (bundles, rest) = (size.as_u64() >> TILE_HEIGHT, size.as_u64() % u64::from(TILE_WIDTH));
        let of_bundles = usize::try_from(bundles.count_ones()).unwrap_or(usize::MAX).min(peaks.len());
        Ok(Tree {
            bundles: Appender::from_peaks(TreeSize::new(bundles), peaks[..of_bundles].to_vec())?,
            last: Appender::from_peaks(TreeSize::new(rest), peaks[of_bundles..].to_vec())?,
        })
    }

    /// How many entries there are.
    pub(crate) fn size(&self) -> TreeSize {
        TreeSize::new((self.bundles.size().as_u64() << TILE_HEIGHT) + self.last.size().as_u64())
    }

    /// The right edge.
    pub(crate) fn peaks(&self) -> Vec<Hash> {
        [self.bundles.peaks(), self.last.peaks()].concat()
    }

    /// The root hash.
    pub(crate) fn root(&self) -> Hash {
        self.peaks().into_iter().rev().reduce(|right, left| Hash::node(&left, &right)).unwrap_or(Hash::EMPTY_TREE)
    }

    /// Takes the next bundle, or the one that was taken last with more entries. Tells of complete subtrees of whole bundles.
    pub(crate) fn take(&mut self, bundle: &VerifiedBundle, mut completed: impl FnMut(Node, &Hash)) -> Result<(), TreeError> {
        let had = usize::try_from(self.last.size().as_u64()).expect("less than 256");
        let first = bundle.first_index();
        if bundle.id().number() != self.bundles.size().as_u64() || bundle.leaves().len() < had {
            return Err(TreeError::Changed(first));
        }
        if had > 0 {
            let mut before = Appender::new();
            for leaf in &bundle.leaves()[..had] {
                before.append(*leaf, |_, _| ())?;
            }
            if before.peaks() != self.last.peaks() {
                return Err(TreeError::Changed(first));
            }
        }
        if bundle.id().is_full() {
            self.bundles.append(bundle.tree().root(), |node, hash| {
                completed(Node { height: node.height + TILE_HEIGHT, index: node.index }, &hash);
            })?;
            self.last = Appender::new();
        } else {
            self.last = bundle.tree().clone();
        }
        Ok(())
    }
}
