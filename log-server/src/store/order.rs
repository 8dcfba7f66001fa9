//! The entries of a commit in the order of their leaf hashes: copies of an entry stand beside each other, and a store looks hashes up
//! fastest in their order.

use std::cmp::Ordering;

use tlog::Hash;

/// Leaf hashes in their order, each with its entry's position in the commit.
pub(crate) struct Order(Vec<(Hash, usize)>);

impl Order {
    pub(crate) fn of(leaves: impl Iterator<Item = Hash>) -> Self {
        let mut order: Vec<(Hash, usize)> = leaves.zip(0..).collect();
        order.sort_unstable_by(|(one, at), (other, position)| compare(one, other).then(at.cmp(position)));
        Order(order)
    }

    /// The hashes in their order.
    pub(crate) fn leaves(&self) -> Vec<Hash> {
        self.0.iter().map(|(leaf, _)| *leaf).collect()
    }

    /// Brings what was found for each of [`Order::leaves`] into the order of the entries.
    pub(crate) fn scatter<T: Copy>(&self, found: &[Option<T>]) -> Vec<Option<T>> {
        let mut scattered = vec![None; self.0.len()];
        for ((_, position), found) in self.0.iter().zip(found) {
            scattered[*position] = *found;
        }
        scattered
    }

    /// For each entry the position of the last copy before it.
    pub(crate) fn copies(&self) -> Vec<Option<usize>> {
        let mut copies = vec![None; self.0.len()];
        for pair in self.0.windows(2) {
            let [(before, position), (leaf, copy)] = pair else { continue };
            if before == leaf {
                copies[*copy] = Some(*position);
            }
        }
        copies
    }
}

/// The order of hashes. Nearly always their first eight bytes decide.
pub(crate) fn compare(one: &Hash, other: &Hash) -> Ordering {
    first(one).cmp(&first(other)).then_with(|| one.cmp(other))
}

/// The first eight bytes, which compare as a number does.
pub(crate) fn first(hash: &Hash) -> u64 {
    let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = *hash.as_bytes();
    u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_compare_as_their_bytes_do() {
        let near = |last| Hash::new(std::array::from_fn(|at| if at == 31 { last } else { 7 }));
        let mut hashes: Vec<Hash> = (0..100_u8).map(|n| Hash::leaf(&[n])).chain([near(2), near(1)]).collect();
        let mut expected = hashes.clone();
        expected.sort_unstable();
        hashes.sort_unstable_by(compare);
        assert_eq!(hashes, expected);
    }

    #[test]
    fn copies_are_told_by_position_and_what_was_found_goes_back_to_its_entry() {
        let leaf = |text: &str| Hash::leaf(text.as_bytes());
        let order = Order::of(["a", "b", "a", "c", "a", "b"].into_iter().map(leaf));
        assert_eq!(order.copies(), [None, None, Some(0), None, Some(2), Some(1)]);
        let found: Vec<Option<usize>> = order.leaves().iter().map(|found| (*found == leaf("b")).then_some(9)).collect();
        assert_eq!(order.scatter(&found), [None, Some(9), None, None, None, Some(9)]);
    }
}
