//! The witness's own keys: which files they are in, and that they are the ones that its store was made for.
//!
//! By default there are two, Ed25519 and ML-DSA-44 (FIPS 204), with one name. They are one operator's, so they are one vote: a policy makes a
//! group of them, of which any is enough (see [`policy_lines`]). Whoever holds one of the files can cosign in the witness's name, any number
//! of contradicting heads; with both, on both sides of every policy.

use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};

use crate::data_dir::DataDir;

/// The keys that cosign.
#[derive(Debug)]
pub struct Keys {
    signing: Vec<SigningKey>,
    verifier: Vec<VerifierKey>,
    /// Places in `signing` of those that can also cosign parts of a log.
    subtree: Vec<usize>,
}

/// Keys that cannot be a witness's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// None at all.
    #[error("a witness needs a key; `acta-witness init` makes it")]
    None,
    /// A key that makes no cosignatures.
    #[error("one of the keys makes no cosignatures; `acta-witness init` makes the right ones")]
    NotACosignatureKey,
}

/// The keys cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadKeysError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] keyfile::LoadError),
    /// They are no witness's.
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),
    /// They are not those that the store was made for.
    #[error(
        "the keys in {0} are not the ones that its store was made with: bring back the right key files. New keys need a new witness, made by \
         `acta-witness init` in another directory"
    )]
    OtherKeys(std::path::PathBuf),
}

impl Keys {
    /// Takes these keys, of which there must be one at least.
    pub fn new(signing: Vec<SigningKey>) -> Result<Self, InvalidKeys> {
        if signing.is_empty() {
            return Err(InvalidKeys::None);
        }
        let verifier: Vec<VerifierKey> = signing.iter().map(|key| key.verifier_key().clone()).collect();
        if !verifier.iter().all(|key| key.algorithm().is_cosignature()) {
            return Err(InvalidKeys::NotACosignatureKey);
        }
        let subtree = (0..verifier.len()).filter(|&place| verifier[place].algorithm() == Algorithm::CosignatureMlDsa44).collect();
        Ok(Keys { signing, verifier, subtree })
    }

    /// Loads the keys of a witness. `lines` are the verifier keys that its store was made for.
    pub fn load(dir: &DataDir, lines: &str) -> Result<Self, LoadKeysError> {
        let mut signing = Vec::new();
        for algorithm in ALGORITHMS {
            let path = dir.key(algorithm);
            // A witness that was made without one of them has no such file. If it went missing, the lines differ.
            if path.symlink_metadata().is_ok() {
                signing.push(keyfile::load_at(&path, &dir.verifier_key(algorithm))?);
            }
        }
        let keys = Keys::new(signing)?;
        if keys.lines() == lines { Ok(keys) } else { Err(LoadKeysError::OtherKeys(dir.root().to_owned())) }
    }

    /// All of them, to sign.
    pub fn signing(&self) -> Vec<&SigningKey> {
        self.signing.iter().collect()
    }

    /// Those that can cosign a part of a log.
    pub fn of_subtrees(&self) -> Vec<&SigningKey> {
        self.subtree.iter().map(|&place| &self.signing[place]).collect()
    }

    /// All of them, to verify.
    pub fn verifier(&self) -> &[VerifierKey] {
        &self.verifier
    }

    /// Whether signing takes so long that it must not be done where requests are served: ML-DSA-44 takes 0.7 ms, Ed25519 a thirtieth of it.
    pub fn are_slow(&self) -> bool {
        !self.subtree.is_empty()
    }

    /// A line for each verifier key: what `witness.vkey` holds.
    pub fn lines(&self) -> String {
        self.verifier.iter().map(|key| format!("{key}\n")).collect()
    }
}

/// The kinds of keys that a witness has, in the order of its files.
pub const ALGORITHMS: [Algorithm; 2] = [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];

/// What a policy (C2SP tlog-policy) says to ask this witness, and to count it once: a line for each key, and the group of them if there
/// are several. Gives the lines and the name to use in a quorum.
pub fn policy_lines(name: &KeyName, keys: &[VerifierKey], url: &str) -> (String, String) {
    if let [key] = keys {
        return (format!("witness {name} {key} {url}\n"), name.to_string());
    }
    let member = |key: &VerifierKey| match key.algorithm() {
        Algorithm::CosignatureMlDsa44 => format!("{name}-pq"),
        _ => format!("{name}-ed"),
    };
    let mut lines: String = keys.iter().map(|key| format!("witness {} {key} {url}\n", member(key))).collect();
    let members: Vec<String> = keys.iter().map(member).collect();
    lines.push_str(&format!("group {name} any {}\n", members.join(" ")));
    (lines, name.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tlog::policy::Policy;

    use super::*;

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::from_seed(KeyName::new("witness.example/w").unwrap(), algorithm, &[4; 32]).unwrap()
    }

    #[test]
    fn both_keys_are_one_vote() {
        let keys = Keys::new(ALGORITHMS.map(key).into()).unwrap();
        let (lines, quorum) = policy_lines(&KeyName::new("witness.example/w").unwrap(), keys.verifier(), "https://w.example");
        let policy = Policy::parse(format!("{lines}quorum {quorum}\n").as_bytes()).unwrap();
        assert_eq!(policy.witnesses().len(), 2);
        assert!(policy.witnesses().iter().all(|witness| witness.url() == Some("https://w.example")));
        for witness in policy.witnesses() {
            assert!(policy.quorum_met([witness.name()]), "either key is enough");
        }
        assert_eq!(policy.groups().len(), 1);
    }

    #[test]
    fn one_key_needs_no_group() {
        let keys = Keys::new(vec![key(Algorithm::CosignatureEd25519)]).unwrap();
        assert!(!keys.are_slow() && keys.of_subtrees().is_empty());
        let (lines, quorum) = policy_lines(&KeyName::new("witness.example/w").unwrap(), keys.verifier(), "https://w.example");
        assert!(Policy::parse(format!("{lines}quorum {quorum}\n").as_bytes()).unwrap().groups().is_empty());
    }

    #[test]
    fn a_log_key_is_no_witness_key() {
        assert_eq!(Keys::new(vec![key(Algorithm::Ed25519)]).unwrap_err(), InvalidKeys::NotACosignatureKey);
        assert_eq!(Keys::new(vec![]).unwrap_err(), InvalidKeys::None);
    }
}
