//! Reading policy files (C2SP tlog-policy section Policy file syntax and structure).
//!
//! The file is octets: nothing here needs Unicode, and a name is equal to another only byte for byte.

use std::collections::HashMap;

use super::{Group, Member, Octets, Policy, PolicyName, Quorum, TrustedLog, Witness};
use crate::hash::parse_decimal;
use crate::key::{InvalidVerifierKey, VerifierKey};

/// The most bytes of a policy file.
pub const MAX_POLICY: usize = 1024 * 1024;

/// The most logs, the most witnesses, and the most groups of a policy.
pub const MAX_DEFINITIONS: usize = 1024;

/// Why a file is not a policy, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {problem}")]
pub struct PolicyError {
    /// The line, from 1. For what is missing, the last line.
    pub line: usize,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// The file is larger than [`MAX_POLICY`].
    #[error("the file is larger than 1 MiB; check that this is a policy file")]
    TooLarge,
    /// A control character.
    #[error("there is a control character (perhaps a Windows line end); use only tabs and plain line ends")]
    ControlCharacter,
    /// The last line is incomplete.
    #[error("the last line does not end in a newline; the file may have been cut short, else add the newline")]
    NoFinalNewline,
    /// Something else than the four keywords.
    #[error("a line must start with log, witness, group, quorum, or # for a comment")]
    UnknownKeyword,
    /// A log line with too few or too many words.
    #[error("expected: log VERIFIER-KEY [URL]")]
    LogSyntax,
    /// A witness line with too few or too many words.
    #[error("expected: witness NAME VERIFIER-KEY [URL]")]
    WitnessSyntax,
    /// A group line with too few words.
    #[error("expected: group NAME all|any|NUMBER MEMBER...")]
    GroupSyntax,
    /// A quorum line with too few or too many words.
    #[error("expected: quorum NAME, or: quorum none")]
    QuorumSyntax,
    /// The key cannot be read.
    #[error("{0}")]
    Key(InvalidVerifierKey),
    /// A key that does not cosign.
    #[error("this key is not of a kind that witnesses use; a witness's key cosigns, with Ed25519 (0x04) or ML-DSA-44 (0x06)")]
    NotACosignatureKey,
    /// Two log lines with one key.
    #[error("the same public key is already listed as a log (perhaps under another name); remove one of the two lines")]
    DuplicateLog,
    /// Two witness lines with one key.
    #[error("the same public key is already listed as a witness (perhaps under another name); remove one of the two lines")]
    DuplicateWitness,
    /// Two definitions of a name.
    #[error("this name is already defined above; choose another one")]
    DuplicateName,
    /// `none` is defined already.
    #[error("the name `none` is reserved for `quorum none`; choose another one")]
    ReservedName,
    /// A name without a definition before.
    #[error("it refers to a name that is not defined on a line above; define the witness or group first")]
    UndefinedName,
    /// A member for the second time.
    #[error("it lists a member that is already in a group; each witness and each group can be a member only once")]
    DuplicateMember,
    /// Not a number from 1 to the number of members.
    #[error("the number that a group needs must be between 1 and the number of its members, or `all` or `any`")]
    Threshold,
    /// More than [`MAX_DEFINITIONS`].
    #[error("there are more than 1024 logs, witnesses or groups; remove those that are no longer needed")]
    TooMany,
    /// A second quorum line.
    #[error("there is a second quorum line; a policy has exactly one")]
    SecondQuorum,
    /// No quorum line.
    #[error("there is no quorum line; add one, for example `quorum none` to need no witnesses")]
    NoQuorum,
}

impl Policy {
    /// Parses a policy file of at most [`MAX_POLICY`] bytes with at most [`MAX_DEFINITIONS`] of each kind.
    pub fn parse(bytes: &[u8]) -> Result<Policy, PolicyError> {
        let at = |line| move |problem| PolicyError { line, problem };
        if bytes.len() > MAX_POLICY {
            return Err(at(1)(PolicyProblem::TooLarge));
        }
        let mut parser = Parser::default();
        let mut number = 0;
        for line in bytes.split_inclusive(|&c| c == b'\n') {
            number += 1;
            let line = line.strip_suffix(b"\n").ok_or_else(|| at(number)(PolicyProblem::NoFinalNewline))?;
            parser.line(line).map_err(at(number))?;
        }
        let Some(quorum) = parser.quorum else {
            return Err(at(number.max(1))(PolicyProblem::NoQuorum));
        };
        Ok(Policy { logs: parser.logs, witnesses: parser.witnesses, groups: parser.groups, quorum })
    }
}

#[derive(Default)]
struct Parser<'a> {
    logs: Vec<TrustedLog>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
    /// Every defined name, and whether it is a member of a group already.
    names: HashMap<&'a [u8], (Member, bool)>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), PolicyProblem> {
        // SPEC: tlog-policy §Character set: 0x09, 0x0A, 0x20-0x7E and 0x80-0xFF.
        if line.iter().any(|&c| (c < b' ' && c != b'\t') || c == 0x7f) {
            return Err(PolicyProblem::ControlCharacter);
        }
        // SPEC: tlog-policy §Structure: ASCII space and tab only; empty lines and lines starting with # are ignored.
        let words: Vec<&[u8]> = line.split(|&c| c == b' ' || c == b'\t').filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", words @ ..] => self.log(words),
            [b"witness", words @ ..] => self.witness(words),
            [b"group", words @ ..] => self.group(words),
            [b"quorum", words @ ..] => self.quorum(words),
            _ => Err(PolicyProblem::UnknownKeyword),
        }
    }

    fn log(&mut self, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let (key, url) = match words {
            [key] => (key, None),
            [key, url] => (key, Some(Octets(url.to_vec()))),
            _ => return Err(PolicyProblem::LogSyntax),
        };
        check_room(self.logs.len())?;
        let key = parse_key(key)?;
        // SPEC: tlog-policy §Defining a log: no duplicates, by the underlying public key.
        if self.logs.iter().any(|log| log.key.same_public_key(&key)) {
            return Err(PolicyProblem::DuplicateLog);
        }
        self.logs.push(TrustedLog { key, url });
        Ok(())
    }

    fn witness(&mut self, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let (name, key, url) = match words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(Octets(url.to_vec()))),
            _ => return Err(PolicyProblem::WitnessSyntax),
        };
        check_room(self.witnesses.len())?;
        let key = parse_key(key)?;
        // SPEC: tlog-policy §Public key representation: of a type appropriate for its function.
        if !key.algorithm().is_cosignature() {
            return Err(PolicyProblem::NotACosignatureKey);
        }
        // SPEC: tlog-policy §Defining a witness: no duplicates, by the underlying public key.
        if self.witnesses.iter().any(|witness| witness.key.same_public_key(&key)) {
            return Err(PolicyProblem::DuplicateWitness);
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: policy_name(name), key, url });
        Ok(())
    }

    fn group(&mut self, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        // SPEC: tlog-policy §Defining a witness group: at least one member.
        let [name, threshold, names @ ..] = words else {
            return Err(PolicyProblem::GroupSyntax);
        };
        if names.is_empty() {
            return Err(PolicyProblem::GroupSyntax);
        }
        check_room(self.groups.len())?;
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            // SPEC: tlog-policy §Defining a witness group: defined on preceding lines, and a member at most once.
            let (member, taken) = self.names.get_mut(name).ok_or(PolicyProblem::UndefinedName)?;
            if std::mem::replace(taken, true) {
                return Err(PolicyProblem::DuplicateMember);
            }
            members.push(*member);
        }
        let threshold = match *threshold {
            b"all" => members.len(),
            b"any" => 1,
            // SPEC: tlog-policy §Defining a witness group: decimal, 1 <= k <= n.
            number => str::from_utf8(number)
                .ok()
                .and_then(parse_decimal)
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| (1..=members.len()).contains(k))
                .ok_or(PolicyProblem::Threshold)?,
        };
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: policy_name(name), threshold, members });
        Ok(())
    }

    fn quorum(&mut self, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let [name] = words else {
            return Err(PolicyProblem::QuorumSyntax);
        };
        // SPEC: tlog-policy §Defining the quorum: exactly one; `none`, or a name defined on a preceding line.
        if self.quorum.is_some() {
            return Err(PolicyProblem::SecondQuorum);
        }
        self.quorum = Some(match *name {
            b"none" => Quorum::None,
            name => Quorum::Of(self.names.get(name).ok_or(PolicyProblem::UndefinedName)?.0),
        });
        Ok(())
    }

    fn define(&mut self, name: &'a [u8], member: Member) -> Result<(), PolicyProblem> {
        // SPEC: tlog-policy §What is a "policy"?: witnesses and groups share a namespace; `none` is predefined.
        if name == b"none" {
            return Err(PolicyProblem::ReservedName);
        }
        match self.names.insert(name, (member, false)) {
            None => Ok(()),
            Some(_) => Err(PolicyProblem::DuplicateName),
        }
    }
}

fn check_room(defined: usize) -> Result<(), PolicyProblem> {
    if defined >= MAX_DEFINITIONS { Err(PolicyProblem::TooMany) } else { Ok(()) }
}

fn parse_key(word: &[u8]) -> Result<VerifierKey, PolicyProblem> {
    let text = str::from_utf8(word).map_err(|_| PolicyProblem::Key(InvalidVerifierKey::NotAVerifierKey))?;
    text.parse().map_err(PolicyProblem::Key)
}

fn policy_name(name: &[u8]) -> PolicyName {
    PolicyName(Octets(name.to_vec()))
}
