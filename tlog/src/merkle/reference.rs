//! RFC 6962 section 2 and draft-ietf-plants-merkle-tree-certs section 4.4 word for word: slow, recursive, over a list of leaves. What the
//! tests compare with.

use crate::hash::Hash;

/// The largest power of two smaller than `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// MTH over leaf hashes.
pub(crate) fn mth(d: &[Hash]) -> Hash {
    match d {
        [] => Hash::sha256(b""),
        [leaf] => *leaf,
        _ => {
            let k = split(d.len());
            Hash::node(&mth(&d[..k]), &mth(&d[k..]))
        }
    }
}

/// PATH(m, D\[n\])
pub(crate) fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    if d.len() == 1 {
        return vec![];
    }
    let k = split(d.len());
    let (mut proof, sibling) = if m < k { (path(m, &d[..k]), mth(&d[k..])) } else { (path(m - k, &d[k..]), mth(&d[..k])) };
    proof.push(sibling);
    proof
}

/// PROOF(m, D\[n\])
pub(crate) fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    subproof(m, d, true)
}

/// SUBPROOF(m, D\[n\], b)
fn subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if b { vec![] } else { vec![mth(d)] };
    }
    let k = split(n);
    let (mut proof, sibling) =
        if m <= k { (subproof(m, &d[..k], b), mth(&d[k..])) } else { (subproof(m - k, &d[k..], false), mth(&d[..k])) };
    proof.push(sibling);
    proof
}

/// SUBTREE_PROOF(start, end, D_n)
pub(crate) fn subtree_proof(start: usize, end: usize, d: &[Hash]) -> Vec<Hash> {
    subtree_subproof(start, end, d, true)
}

/// SUBTREE_SUBPROOF(start, end, D_n, b)
fn subtree_subproof(start: usize, end: usize, d: &[Hash], b: bool) -> Vec<Hash> {
    let n = d.len();
    if start == 0 && end == n {
        return if b { vec![] } else { vec![mth(d)] };
    }
    let k = split(n);
    let (mut proof, sibling) = if end <= k {
        (subtree_subproof(start, end, &d[..k], b), mth(&d[k..]))
    } else if k <= start {
        (subtree_subproof(start - k, end - k, &d[k..], b), mth(&d[..k]))
    } else {
        (subtree_subproof(0, end - k, &d[k..], false), mth(&d[..k]))
    };
    proof.push(sibling);
    proof
}
