//! What happened, as nobody in the simulation can see it: all of it. What must hold is judged by this.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use tlog::checkpoint::SignedCheckpoint;
use tlog::merkle::Appender;
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::{Hash, LeafIndex, TreeSize};

/// A receipt that a client was given.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) entry: Bytes,
    pub(super) bytes: Bytes,
}

/// All that happened.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The leaves behind each head that any copy of the log committed, by its root.
    histories: HashMap<Hash, Vec<Hash>>,
    /// Which witnesses have cosigned what, whether or not the answer arrived.
    cosigned: BTreeMap<(TreeSize, [u8; 32]), BTreeSet<usize>>,
    receipts: Vec<Receipt>,
    acknowledged: Vec<(LeafIndex, Bytes)>,
    /// Something that must never happen, if it did.
    outrage: Option<String>,
}

impl Record {
    /// A head that a copy of the log has committed, with the leaves that it is of.
    pub(super) fn committed(&mut self, root: Hash, leaves: Vec<Hash>) {
        self.histories.insert(root, leaves);
    }

    /// A witness has made a cosignature that may leave it.
    pub(super) fn cosigned(&mut self, witness: usize, signed: &SignedCheckpoint) {
        let checkpoint = signed.checkpoint();
        self.cosigned.entry((checkpoint.size(), *checkpoint.root().as_bytes())).or_default().insert(witness);
    }

    /// A client was given an index.
    pub(super) fn acknowledge(&mut self, index: LeafIndex, entry: Bytes) {
        self.acknowledged.push((index, entry));
    }

    pub(super) fn acknowledged(&self) -> &[(LeafIndex, Bytes)] {
        &self.acknowledged
    }

    /// A client was given a receipt.
    pub(super) fn receipt(&mut self, entry: Bytes, bytes: Bytes) {
        self.receipts.push(Receipt { entry, bytes });
    }

    pub(super) fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Something happened that must never happen.
    pub(super) fn outrage(&mut self, what: String) {
        self.outrage.get_or_insert(what);
    }

    /// The largest size that a quorum has cosigned.
    pub(super) fn largest_witnessed(&self, policy: &Policy) -> TreeSize {
        self.quorums(policy).map(|(size, _)| size).max().unwrap_or(TreeSize::ZERO)
    }

    /// How many heads a quorum has cosigned.
    pub(super) fn witnessed(&self, policy: &Policy) -> usize {
        self.quorums(policy).count()
    }

    /// Heads that enough witnesses have cosigned, whether or not anybody was shown them with all these cosignatures.
    fn quorums<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = (TreeSize, Hash)> + 'a {
        let met = |witnesses: &BTreeSet<usize>| policy.quorum_met(witnesses.iter().map(|&witness| policy.witnesses()[witness].name()));
        self.cosigned.iter().filter(move |(_, witnesses)| met(witnesses)).map(|((size, root), _)| (*size, Hash::new(*root)))
    }

    /// What is wrong, if anything is.
    pub(super) fn judge(&self, policy: &Policy) -> Result<(), String> {
        self.agree(policy)?;
        self.outrage.clone().map_or(Ok(()), Err)?;
        self.receipts.iter().try_for_each(|receipt| verify(receipt, policy))
    }

    /// No two cosigned heads disagree: each is of a tree that begins with the tree of the one before.
    fn agree(&self, policy: &Policy) -> Result<(), String> {
        let mut before: Option<(TreeSize, Hash)> = None;
        for (size, root) in self.quorums(policy) {
            let leaves = self.histories.get(&root).ok_or(format!("a head of size {size} was cosigned that no log ever had"))?;
            if let Some((earlier, earlier_root)) = before
                && root_of(leaves, earlier) != Some(earlier_root)
            {
                return Err(format!("cosigned heads of sizes {earlier} and {size} are of different histories"));
            }
            before = Some((size, root));
        }
        Ok(())
    }
}

/// A receipt is good for whoever has the policy and nothing else.
fn verify(receipt: &Receipt, policy: &Policy) -> Result<(), String> {
    let proof = Proof::parse(&receipt.bytes).map_err(|error| format!("a receipt cannot be read: {error}"))?;
    proof.verify(policy, &receipt.entry).map(drop).map_err(|error| format!("a receipt does not verify: {error}"))
}

/// The root of the first `size` leaves, computed anew.
fn root_of(leaves: &[Hash], size: TreeSize) -> Option<Hash> {
    let first = leaves.get(..usize::try_from(size.as_u64()).ok()?)?;
    let mut tree = Appender::new();
    for leaf in first {
        tree.append(*leaf, |_, _| {}).ok()?;
    }
    Some(tree.root())
}
