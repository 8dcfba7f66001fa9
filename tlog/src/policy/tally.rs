//! Who of those that a policy counts has cosigned, vote by vote: what is to be told of a head, beside that it is good.
//!
//! A vote is what the quorum's own group counts: a witness, or a group that is one operator with two keys. So "2 of the 3" is said of
//! operators, not of keys.

use std::num::NonZeroU64;

use super::{Group, Member, Policy, PolicyName, Quorum, WitnessedBy};

/// How those whom a policy counts stand to one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many of the votes are needed; 0 if the policy needs no witness.
    pub threshold: usize,
    /// What the quorum counts, in the policy's order. None if it needs no witness.
    pub votes: Vec<Vote>,
    /// Witnesses that the policy lists and its quorum does not count.
    pub uncounted: Vec<Vote>,
}

/// A witness or a group, and whether it has cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What the policy calls it.
    pub name: PolicyName,
    /// Since when it has cosigned, if it has.
    pub cosigned: Option<Since>,
}

/// When enough cosignatures were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Since {
    /// In seconds since 1970, by the clock of the witness that was the last to be needed.
    Time(NonZeroU64),
    /// One that was needed stated no time.
    Unknown,
}

impl Policy {
    /// Counts the cosignatures of a checkpoint that was verified under this policy.
    pub fn tally(&self, cosignatures: &[WitnessedBy]) -> Tally {
        let find = |name: &PolicyName| cosignatures.iter().find(|cosigned| cosigned.witness == *name);
        let since = |cosigned: &WitnessedBy| cosigned.timestamp.map_or(Since::Unknown, Since::Time);
        let witnesses: Vec<Option<Since>> = self.witnesses.iter().map(|witness| find(&witness.name).map(since)).collect();
        let groups = self.groups_since(&witnesses);
        let vote = |member: Member| {
            let cosigned = match member {
                Member::Witness(i) => witnesses[i],
                Member::Group(i) => groups[i],
            };
            Vote { name: self.member_name(member).clone(), cosigned }
        };
        let (threshold, votes) = match self.quorum {
            Quorum::None => (0, Vec::new()),
            Quorum::Of(Member::Group(i)) => (self.groups[i].threshold, self.groups[i].members.iter().copied().map(vote).collect()),
            Quorum::Of(member) => (1, vec![vote(member)]),
        };
        let counted = self.counted();
        let uncounted = (0..self.witnesses.len()).filter(|i| !counted[*i]).map(|i| vote(Member::Witness(i))).collect();
        Tally { threshold, votes, uncounted }
    }

    /// The members of a group of this policy, witnesses and groups, in the file's order.
    pub fn members<'p>(&'p self, group: &'p Group) -> impl Iterator<Item = &'p PolicyName> {
        group.members.iter().map(|&member| self.member_name(member))
    }

    /// For each group since when it is met. One pass, as for the quorum.
    fn groups_since(&self, witnesses: &[Option<Since>]) -> Vec<Option<Since>> {
        let mut groups: Vec<Option<Since>> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let since = |member: &Member| match *member {
                Member::Witness(i) => witnesses[i],
                Member::Group(i) => groups[i],
            };
            let mut times: Vec<Since> = group.members.iter().filter_map(since).collect();
            times.sort_unstable();
            // It was met when the last of as many as it needs had cosigned. Thresholds are at least 1.
            groups.push(times.get(group.threshold - 1).copied());
        }
        groups
    }

    /// Which witnesses the quorum counts, directly or in its groups.
    fn counted(&self) -> Vec<bool> {
        let mut counted = vec![false; self.witnesses.len()];
        let mut pending = match self.quorum {
            Quorum::None => Vec::new(),
            Quorum::Of(member) => vec![member],
        };
        // Each name is a member of at most one group, so nothing comes up twice.
        while let Some(member) = pending.pop() {
            match member {
                Member::Group(i) => pending.extend(&self.groups[i].members),
                Member::Witness(i) => counted[i] = true,
            }
        }
        counted
    }
}
