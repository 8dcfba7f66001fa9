//! Whom to talk to: the addresses of a policy, each with the keys that answer there.

use tlog::key::VerifierKey;
use tlog::policy::{Policy, PolicyName};

/// One address with all that the policy lists for it. A witness with an Ed25519 and an ML-DSA-44 key is two witnesses of the policy and
/// one conversation, which brings lines of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partner {
    /// What the policy calls the first of its keys; for people.
    pub(super) name: PolicyName,
    /// Its submission prefix, without a slash at the end. It is taken for the monitoring prefix as well.
    pub(super) prefix: String,
    /// What the policy calls its keys.
    pub(super) members: Vec<PolicyName>,
    /// The keys, in the same order.
    pub(super) keys: Vec<VerifierKey>,
}

/// A policy under which a log could not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusablePolicy {
    /// Too few witnesses have an address.
    #[error(
        "too few of its witnesses have an address, so no head could ever be published: write the submission prefix of each witness behind \
         its key"
    )]
    TooFewAddresses,
    /// The witnesses that cannot be asked could say something that the log never hears of.
    #[error(
        "its witnesses without an address could form a quorum without the others, so this log could never know that they have not seen \
         another history: write the submission prefix of each witness behind its key"
    )]
    QuorumWithoutAddresses,
}

impl Partner {
    /// All that have an address, in the policy's order.
    pub(super) fn all(policy: &Policy) -> Vec<Partner> {
        let mut partners: Vec<Partner> = Vec::new();
        for witness in policy.witnesses() {
            let Some(prefix) = witness.url().map(|url| url.trim_end_matches('/').to_owned()) else { continue };
            let (name, key) = (witness.name().clone(), witness.key().clone());
            match partners.iter_mut().find(|partner| partner.prefix == prefix) {
                Some(partner) => {
                    partner.members.push(name);
                    partner.keys.push(key);
                }
                None => partners.push(Partner { name: name.clone(), prefix, members: vec![name], keys: vec![key] }),
            }
        }
        partners
    }
}

/// Whether a log can be run under the policy: what has an address must be enough for a quorum, and what has none must not be.
pub fn check_addresses(policy: &Policy) -> Result<(), UnusablePolicy> {
    let (with, without): (Vec<_>, Vec<_>) = policy.witnesses().iter().partition(|witness| witness.url().is_some());
    if !policy.quorum_met(with.iter().map(|witness| witness.name())) {
        return Err(UnusablePolicy::TooFewAddresses);
    }
    if policy.has_witness_quorum() && policy.quorum_met(without.iter().map(|witness| witness.name())) {
        return Err(UnusablePolicy::QuorumWithoutAddresses);
    }
    Ok(())
}
