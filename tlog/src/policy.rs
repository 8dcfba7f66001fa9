//! Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of them.
//!
//! A policy answers one question: is this checkpoint good enough to rely on? The answer "yes" is a [`VerifiedCheckpoint`], which
//! nothing else can make, so a function that takes one needs no check of its own.
//!
//! Invariant: a group refers only to what was defined before it, and each name is a member of at most one group, at most once. So
//! the quorum is decided in one pass over the groups, without recursion, and every witness counts once.
//!
//! What a policy does not promise: that witnesses are independent of the log. The specification lets one key be both, and then one
//! signature line is the log's and counts for the quorum. Whoever writes a policy has to know whose keys they are.

mod parse;
mod refusal;
mod tally;

use std::fmt;
use std::num::NonZeroU64;

use crate::checkpoint::{Checkpoint, SignedCheckpoint, VerifyCheckpointError};
use crate::key::{KeyName, VerifierKey};
use crate::note::{BadLine, verify_lines};

pub use parse::{MAX_DEFINITIONS, MAX_POLICY, PolicyError, PolicyProblem};
pub use refusal::{UnmetGroup, VerifyPolicyError};
pub use tally::{Since, Tally, Vote};

/// Which logs to believe and what their witnesses must have said.
///
/// ```
/// use tlog::policy::Policy;
///
/// let text = b"log example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k https://example.com/foo\nquorum none\n";
/// let policy = Policy::parse(text)?;
/// assert_eq!(policy.logs()[0].url(), Some("https://example.com/foo"));
/// assert!(!policy.has_witness_quorum());
/// assert_eq!(policy.to_bytes(), text);
/// # Ok::<(), tlog::policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<TrustedLog>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A log that a policy lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedLog {
    key: VerifierKey,
    url: Option<Octets>,
}

/// A witness that a policy lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    name: PolicyName,
    key: VerifierKey,
    url: Option<Octets>,
}

/// A group of witnesses and other groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: PolicyName,
    threshold: usize,
    members: Vec<Member>,
}

/// What a group counts, by its place in [`Policy::witnesses`] or [`Policy::groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// The rule of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    None,
    Of(Member),
}

/// Text of a policy file whose bytes from 0x80 up have no meaning to us: it may be UTF-8 or not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Octets(Vec<u8>);

/// The name of a witness or group within one policy file. Has no meaning outside of it, and need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Octets);

impl PolicyName {
    /// The bytes as they are in the file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyName({:?})", self.0)
    }
}

impl fmt::Display for PolicyName {
    /// For people: bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Octets {
    fn as_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }
}

impl TrustedLog {
    /// The key that signs for the log; its name is the log's origin.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Where to reach the log, if the policy says so (in UTF-8).
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref().and_then(Octets::as_str)
    }
}

impl Witness {
    /// What the policy calls it.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// The key that cosigns.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Its submission prefix, if the policy says so (in UTF-8).
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref().and_then(Octets::as_str)
    }
}

impl Group {
    /// What the policy calls it.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// How many of its members must have witnessed.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// How many members it has.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }
}

/// Why something cannot stand in a policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// The address.
    #[error("this address cannot stand in a policy file: it is empty or contains spaces or control characters; give another one")]
    Url,
    /// The key's name has a control character (DEL), which key names may have and policy files not.
    #[error(
        "the name of this key has a control character in it, so it cannot stand in a policy file; ask the log's operator for another key"
    )]
    KeyName,
}

/// A checkpoint that met a policy: its log has signed it, and so have enough witnesses. Only [`Policy::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    signed: SignedCheckpoint,
    log_key: VerifierKey,
    cosignatures: Vec<WitnessedBy>,
}

/// That a witness of the policy has cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedBy {
    witness: PolicyName,
    key: KeyName,
    timestamp: Option<NonZeroU64>,
}

impl VerifiedCheckpoint {
    /// The state of the log.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// The signed note. Lines of keys that the policy does not list are still in it.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The first key of the policy that signed for the log.
    pub fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// The witnesses of the policy that have cosigned, in the policy's order; more than the quorum needs, if more have.
    pub fn cosignatures(&self) -> &[WitnessedBy] {
        &self.cosignatures
    }
}

impl WitnessedBy {
    /// What the policy calls the witness.
    pub fn witness(&self) -> &PolicyName {
        &self.witness
    }

    /// The name of its key.
    pub fn key(&self) -> &KeyName {
        &self.key
    }

    /// When, in seconds since 1970, by the witness's clock; `None` if it stated no time.
    pub fn timestamp(&self) -> Option<NonZeroU64> {
        self.timestamp
    }
}

impl Policy {
    /// The policy that believes one log by its own signature alone.
    pub fn without_witnesses(key: VerifierKey, url: Option<&str>) -> Result<Policy, InvalidPolicy> {
        if key.name().as_str().contains('\u{7f}') {
            return Err(InvalidPolicy::KeyName);
        }
        let url = match url {
            Some(url) if url.is_empty() || url.bytes().any(|c| c <= b' ' || c == 0x7f) => return Err(InvalidPolicy::Url),
            url => url.map(|url| Octets(url.as_bytes().to_vec())),
        };
        Ok(Policy { logs: vec![TrustedLog { key, url }], witnesses: Vec::new(), groups: Vec::new(), quorum: Quorum::None })
    }

    /// The logs, in the file's order.
    pub fn logs(&self) -> &[TrustedLog] {
        &self.logs
    }

    /// The logs' keys, in the file's order.
    pub fn log_keys(&self) -> Vec<VerifierKey> {
        self.logs.iter().map(|log| log.key.clone()).collect()
    }

    /// The same policy for the log with this origin alone, or `None` if it is not listed. Whoever asks one log needs it: under a policy
    /// with several, each of them would be believed in place of any other.
    pub fn only(&self, origin: &str) -> Option<Policy> {
        let logs: Vec<_> = self.logs.iter().filter(|log| log.key.name().as_str() == origin).cloned().collect();
        (!logs.is_empty()).then(|| Policy { logs, ..self.clone() })
    }

    /// The same policy without its quorum: the log's own signature is enough. For whoever is about to ask the witnesses, and for nobody
    /// who relies on what the log says.
    #[must_use]
    pub fn without_quorum(&self) -> Policy {
        Policy { quorum: Quorum::None, ..self.clone() }
    }

    /// The witnesses, in the file's order, whether the quorum needs them or not.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The groups, in the file's order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The name after `quorum`; `None` for `none`.
    pub fn quorum(&self) -> Option<&PolicyName> {
        match self.quorum {
            Quorum::None => None,
            Quorum::Of(member) => Some(self.member_name(member)),
        }
    }

    /// Whether a checkpoint needs any witness at all.
    pub fn has_witness_quorum(&self) -> bool {
        self.quorum != Quorum::None
    }

    /// Whether these witnesses are enough, whatever their order and however often they are named. Unknown names count nothing.
    pub fn quorum_met<'a>(&self, witnesses: impl IntoIterator<Item = &'a PolicyName>) -> bool {
        let mut cosigned = vec![false; self.witnesses.len()];
        for name in witnesses {
            if let Some(i) = self.witnesses.iter().position(|witness| witness.name == *name) {
                cosigned[i] = true;
            }
        }
        self.is_met_by(&cosigned)
    }

    /// Decides whether a checkpoint meets the policy: signed by a listed log, and cosigned by enough witnesses. Every signature of a
    /// listed key must be good; lines of other keys are ignored.
    pub fn verify(&self, signed: &SignedCheckpoint) -> Result<VerifiedCheckpoint, VerifyPolicyError> {
        let log_key = signed.verify_log_with(self.logs.iter().map(|log| &log.key)).map_err(|error| match error {
            VerifyCheckpointError::UnknownOrigin { origin } => VerifyPolicyError::UnknownLog { origin },
            VerifyCheckpointError::BadSignature { name, id } => VerifyPolicyError::BadLogSignature { name, id },
            VerifyCheckpointError::TooManySignatures { name, id } => VerifyPolicyError::TooManySignatures { name, id },
            VerifyCheckpointError::NotSigned { origin } => VerifyPolicyError::NotSignedByLog { origin },
            VerifyCheckpointError::UnsignedExtensions { origin } => VerifyPolicyError::UnsignedExtensions { origin },
        })?;
        let newest = self.cosignatures_on(signed)?;
        let cosigned: Vec<bool> = newest.iter().map(Option::is_some).collect();
        if !self.is_met_by(&cosigned) {
            return Err(self.not_met(&cosigned));
        }
        let cosignatures = self.witnesses.iter().zip(newest).filter_map(|(witness, newest)| {
            newest.map(|timestamp| WitnessedBy { witness: witness.name.clone(), key: witness.key.name().clone(), timestamp })
        });
        Ok(VerifiedCheckpoint { signed: signed.clone(), log_key: log_key.clone(), cosignatures: cosignatures.collect() })
    }

    /// For each witness: `None` if it has not cosigned, else the newest time that it stated, if it stated any.
    fn cosignatures_on(&self, signed: &SignedCheckpoint) -> Result<Vec<Option<Option<NonZeroU64>>>, VerifyPolicyError> {
        let keys: Vec<_> = self.witnesses.iter().map(|witness| &witness.key).collect();
        let note = signed.note();
        verify_lines(note.signatures(), note.text(), Some(signed.checkpoint()), &keys).map_err(|error| match error {
            BadLine::Forged { key, .. } => VerifyPolicyError::BadCosignature { witness: self.witnesses[key].name.clone() },
            BadLine::TooMany { line } => VerifyPolicyError::TooManySignatures { name: line.name.clone(), id: line.key_id },
        })
    }

    /// Prints the policy: logs, witnesses, groups, quorum. Parsing that gives the same policy. Comments are not kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let url = |url: &Option<Octets>| url.iter().flat_map(|url| [b" ", url.0.as_slice()].concat()).collect::<Vec<u8>>();
        for log in &self.logs {
            out.extend(format!("log {}", log.key).bytes());
            out.extend(url(&log.url));
            out.push(b'\n');
        }
        for witness in &self.witnesses {
            out.extend([b"witness ", witness.name.as_bytes()].concat());
            out.extend(format!(" {}", witness.key).bytes());
            out.extend(url(&witness.url));
            out.push(b'\n');
        }
        for group in &self.groups {
            out.extend([b"group ", group.name.as_bytes()].concat());
            match group.threshold {
                k if k == group.members.len() => out.extend(b" all"),
                1 => out.extend(b" any"),
                k => out.extend(format!(" {k}").bytes()),
            }
            for &member in &group.members {
                out.extend([b" ", self.member_name(member).as_bytes()].concat());
            }
            out.push(b'\n');
        }
        out.extend(b"quorum ");
        out.extend(self.quorum().map_or(b"none".as_slice(), PolicyName::as_bytes));
        out.push(b'\n');
        out
    }

    fn member_name(&self, member: Member) -> &PolicyName {
        match member {
            Member::Witness(i) => &self.witnesses[i].name,
            Member::Group(i) => &self.groups[i].name,
        }
    }

    fn is_met_by(&self, cosigned: &[bool]) -> bool {
        match self.quorum {
            Quorum::None => true,
            Quorum::Of(Member::Witness(i)) => cosigned[i],
            Quorum::Of(Member::Group(i)) => self.groups_met_by(cosigned)[i],
        }
    }

    /// One pass in the order of definition: members of a group come before it.
    fn groups_met_by(&self, cosigned: &[bool]) -> Vec<bool> {
        let mut met: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let holds = |member: &&Member| match **member {
                Member::Witness(i) => cosigned[i],
                Member::Group(i) => met[i],
            };
            let count = group.members.iter().filter(holds).count();
            met.push(count >= group.threshold);
        }
        met
    }

    /// Which witnesses the quorum counts, which of them have cosigned, and which groups need more.
    fn not_met(&self, cosigned: &[bool]) -> VerifyPolicyError {
        let met = self.groups_met_by(cosigned);
        let (mut have, mut missing, mut unmet) = (Vec::new(), Vec::new(), Vec::new());
        let mut pending = match self.quorum {
            Quorum::None => Vec::new(),
            Quorum::Of(member) => vec![member],
        };
        while let Some(member) = pending.pop() {
            match member {
                Member::Group(i) => {
                    let Group { name, threshold, members } = &self.groups[i];
                    pending.extend(members.iter().rev());
                    if !met[i] {
                        let holds = |member: Member| match member {
                            Member::Witness(i) => cosigned[i],
                            Member::Group(i) => met[i],
                        };
                        let (signed, unsigned) = members.iter().partition(|&&member| holds(member));
                        let names = |members: Vec<Member>| members.into_iter().map(|member| self.member_name(member).clone()).collect();
                        unmet.push(UnmetGroup {
                            name: name.clone(),
                            threshold: *threshold,
                            signed: names(signed),
                            unsigned: names(unsigned),
                        });
                    }
                }
                Member::Witness(i) => if cosigned[i] { &mut have } else { &mut missing }.push(self.witnesses[i].name.clone()),
            }
        }
        VerifyPolicyError::QuorumNotMet { have, missing, unmet }
    }
}

impl fmt::Display for Policy {
    /// For people: bytes that are not UTF-8 are replaced. [`Policy::to_bytes`] keeps them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests;
