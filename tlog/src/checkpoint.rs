//! Checkpoints (C2SP tlog-checkpoint): the signed statement of a log's origin, size and root hash.
//!
//! A [`Checkpoint`] is well formed, a [`SignedCheckpoint`] carries signatures that nobody has looked at yet, and only a
//! [`VerifiedCheckpoint`](crate::policy::VerifiedCheckpoint) met a policy.

use std::cmp::Reverse;
use std::fmt;
use std::num::NonZeroU64;

use crate::cosignature;
use crate::hash::{Hash, TreeSize, parse_decimal};
use crate::key::{Algorithm, KeyId, KeyName, SignError, SigningKey, VerifierKey};
use crate::note::{self, MAX_LINES_PER_KEY, Note, NoteError, Signature, VerifyNoteError};
use crate::printable::Printable;

/// The most bytes of a checkpoint's text, extension lines included: what is signed is hashed anew for each signature.
pub const MAX_TEXT: usize = 16 * 1024;

/// The first line of a checkpoint: which log it is of. By convention a URL without scheme, like `example.com/log42`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// Why a text cannot be the origin of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// There is no text.
    #[error("the origin of a log cannot be empty; use a name like example.com/log")]
    Empty,
    /// More than 255 bytes.
    #[error("the origin of a log can have at most 255 bytes; use a shorter name like example.com/log")]
    TooLong,
    /// A space or something that Unicode counts as one.
    #[error("the origin of a log cannot contain spaces; use a name like example.com/log")]
    Space,
    /// A plus sign separates the parts of a verifier key.
    #[error("the origin of a log cannot contain '+'; use a name like example.com/log")]
    Plus,
    /// A control character.
    #[error("the origin of a log cannot contain control characters; use a name like example.com/log")]
    Control,
    /// An address with its scheme.
    #[error("the origin of a log is a name for ever and no address: leave out https:// and write example.com/log")]
    Scheme,
}

impl Origin {
    /// The origin of a log of one's own: what the specification discourages is refused, and it is a valid [`KeyName`].
    pub fn for_new_log(origin: &str) -> Result<Self, InvalidOrigin> {
        if origin.is_empty() {
            return Err(InvalidOrigin::Empty);
        }
        // Witnesses with ML-DSA-44 keys must be able to cosign the log.
        if origin.len() > cosignature::MAX_NAME {
            return Err(InvalidOrigin::TooLong);
        }
        // SPEC: tlog-checkpoint §Note text: the origin SHOULD be a URL without its scheme.
        if origin.contains("://") {
            return Err(InvalidOrigin::Scheme);
        }
        for c in origin.chars() {
            match c {
                '+' => return Err(InvalidOrigin::Plus),
                c if c.is_whitespace() => return Err(InvalidOrigin::Space),
                c if c.is_control() => return Err(InvalidOrigin::Control),
                _ => {}
            }
        }
        Ok(Origin(origin.to_owned()))
    }

    /// The origin of somebody's log, as read: any line that is not empty.
    pub fn parse(origin: &str) -> Result<Self, InvalidOrigin> {
        // SPEC: tlog-checkpoint §Note text: non-empty; clients MUST NOT assume more.
        if origin.is_empty() {
            return Err(InvalidOrigin::Empty);
        }
        if origin.bytes().any(|c| c < b' ') {
            return Err(InvalidOrigin::Control);
        }
        Ok(Origin(origin.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a log at one size: its origin, its size, its root hash. Prints as the text that is signed.
///
/// ```
/// use tlog::checkpoint::Checkpoint;
///
/// let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
/// let checkpoint = Checkpoint::parse(text)?;
/// assert_eq!(checkpoint.size().as_u64(), 20_852_163);
/// assert_eq!(checkpoint.to_string(), text);
/// # Ok::<(), tlog::checkpoint::CheckpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: TreeSize,
    root: Hash,
    extensions: Vec<String>,
}

/// Why a text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// More than [`MAX_TEXT`] bytes.
    #[error("the checkpoint has more than 16 KiB of text, which no log needs; check that this is the right file")]
    TooLarge,
    /// A control character other than a newline.
    #[error("the checkpoint contains a control character (perhaps Windows line ends); fetch the original again")]
    ControlCharacter,
    /// The last line is incomplete.
    #[error("the checkpoint does not end in a newline; it may have been cut short, fetch it again")]
    NoFinalNewline,
    /// Fewer than three lines.
    #[error("a checkpoint has three lines: the log's origin, its size and its root hash; check that this is the right file")]
    TooFewLines,
    /// The first line.
    #[error("the first line of the checkpoint is not the origin of a log; check that this is the right file")]
    Origin,
    /// The second line.
    #[error("the second line of the checkpoint is not a number of entries in plain decimal digits; fetch the original again")]
    Size,
    /// A size for which there are no proofs.
    #[error("the checkpoint claims more than 2^63 entries, which no log can have; do not rely on it")]
    SizeTooLarge,
    /// The third line.
    #[error("the third line of the checkpoint is not a root hash (base64 of 32 bytes); fetch the original again")]
    Root,
    /// An empty line among the extension lines.
    #[error("the checkpoint has an empty line in it, which is not allowed; fetch the original again")]
    EmptyExtension,
}

impl Checkpoint {
    /// A checkpoint without extension lines. One that could not be read again (of more than [`TreeSize::MAX`] entries, or with an origin
    /// that fills [`MAX_TEXT`]) cannot be signed.
    pub fn new(origin: Origin, size: TreeSize, root: Hash) -> Self {
        Checkpoint { origin, size, root, extensions: Vec::new() }
    }

    /// Parses the text of a note, of at most [`MAX_TEXT`] bytes, as a checkpoint; printing it gives the same text again.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        #[cfg(test)]
        crate::work::PARSED.with(crate::work::count);
        if text.len() > MAX_TEXT {
            return Err(CheckpointError::TooLarge);
        }
        note::check_text(text).map_err(|error| match error {
            NoteError::TextWithoutNewline => CheckpointError::NoFinalNewline,
            _ => CheckpointError::ControlCharacter,
        })?;
        // SPEC: tlog-checkpoint §Note text.
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::NoFinalNewline)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::TooFewLines);
        };
        let origin = Origin::parse(origin).map_err(|_| CheckpointError::Origin)?;
        let size = TreeSize::new(parse_decimal(size).ok_or(CheckpointError::Size)?);
        if size > TreeSize::MAX {
            return Err(CheckpointError::SizeTooLarge);
        }
        let root = Hash::from_base64(root).map_err(|_| CheckpointError::Root)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        // SPEC: tlog-checkpoint §Note text: extension lines, if any, MUST be non-empty.
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::EmptyExtension);
        }
        Ok(Checkpoint { origin, size, root, extensions })
    }

    /// Whether its text can be read again.
    pub(crate) fn check(&self) -> Result<(), CheckpointError> {
        if self.size > TreeSize::MAX {
            return Err(CheckpointError::SizeTooLarge);
        }
        // Only one that was not parsed can be so large: it has an origin and no extension lines.
        if self.extensions.is_empty() && self.to_string().len() > MAX_TEXT {
            return Err(CheckpointError::TooLarge);
        }
        Ok(())
    }

    /// Which log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many entries.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The hash of the tree of that size.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// Further lines, without a meaning here; kept so that the text is whole. ML-DSA-44 signatures do not cover them.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root.to_base64())?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A note whose text is a checkpoint. Nobody has looked at its signatures yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

/// Why some bytes are not a signed checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedCheckpointError {
    /// Not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A note with another text.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Why a checkpoint was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignCheckpointError {
    /// No key was given.
    #[error("no key was given to sign the checkpoint with; give the log's own key")]
    NoKey,
    /// The key belongs to another log.
    #[error(
        "the key of {} cannot sign for the log {}: their names differ; use the key that was made for this log",
        Printable(key),
        Printable(origin)
    )]
    OtherName {
        /// The log.
        origin: Origin,
        /// The key's name.
        key: KeyName,
    },
    /// The key cannot sign notes.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Nobody could read it.
    #[error("this checkpoint cannot be signed, since it could not be read again: {0}")]
    Checkpoint(CheckpointError),
    /// The signed checkpoint would be too large.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Why the log's signature of a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyCheckpointError {
    /// No key is known for its origin.
    #[error(
        "this is a checkpoint of the log {}, for which you have no key: do not rely on it. Check the address; add a log to a policy only \
         with a key from a source that you trust",
        Printable(origin)
    )]
    UnknownOrigin {
        /// The log that it says it is of.
        origin: Origin,
    },
    /// The log's key is known, and this is not its signature.
    #[error("the signature of the log {} ({id}) does not fit its checkpoint: one of them was altered; do not rely on it", Printable(name))]
    BadSignature {
        /// The log's key.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// More than [`MAX_LINES_PER_KEY`] signatures of one key.
    #[error(
        "the checkpoint has more than {MAX_LINES_PER_KEY} signatures of {} ({id}); fetch it again from the log itself",
        Printable(name)
    )]
    TooManySignatures {
        /// The key's name.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// There are extension lines that no signature covers.
    #[error("the checkpoint of {} has extra lines that its log's signature does not cover; fetch it again without them", Printable(origin))]
    UnsignedExtensions {
        /// The log that it says it is of.
        origin: Origin,
    },
    /// The log has not signed.
    #[error(
        "the checkpoint says it is of the log {}, but no key that you have for that log has signed it; do not rely on it",
        Printable(origin)
    )]
    NotSigned {
        /// The log that it says it is of.
        origin: Origin,
    },
}

impl SignedCheckpoint {
    /// Parses a note whose text is a checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignedCheckpointError> {
        Self::from_note(Note::parse(bytes)?).map_err(SignedCheckpointError::from)
    }

    /// Takes a note whose text is a checkpoint.
    pub fn from_note(note: Note) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(SignedCheckpoint { note, checkpoint })
    }

    /// Signs a checkpoint as its log: with Ed25519 note keys whose name is the origin. A log's ML-DSA-44 signature states a time
    /// and is added with [`SigningKey::cosign`] and [`SignedCheckpoint::add_signature`].
    pub fn sign(checkpoint: &Checkpoint, keys: &[&SigningKey]) -> Result<Self, SignCheckpointError> {
        checkpoint.check().map_err(SignCheckpointError::Checkpoint)?;
        let text = checkpoint.to_string();
        let mut signatures = Vec::with_capacity(keys.len());
        for key in keys {
            // SPEC: tlog-checkpoint §Signatures: the log's key name SHOULD match the origin line; ours always does.
            let name = key.verifier_key().name();
            if name.as_str() != checkpoint.origin.as_str() {
                return Err(SignCheckpointError::OtherName { origin: checkpoint.origin.clone(), key: name.clone() });
            }
            signatures.push(key.sign_note(&text)?);
        }
        if signatures.is_empty() {
            return Err(SignCheckpointError::NoKey);
        }
        Ok(SignedCheckpoint { note: Note::new(&text, signatures)?, checkpoint: checkpoint.clone() })
    }

    /// What is signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note with all signature lines, verified or not.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The note as bytes: what a log serves as `/checkpoint`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }

    /// Adds a signature line, unverified.
    pub fn add_signature(&mut self, signature: Signature) -> Result<(), NoteError> {
        self.note.add_signature(signature)
    }

    /// Verifies that the log itself has signed: every signature of one of `keys` whose name is the checkpoint's origin must be
    /// good, and there must be one. Cosignatures of witnesses are not looked at. Gives the first of `keys` that signed.
    pub fn verify_log<'k>(&self, keys: &'k [VerifierKey]) -> Result<&'k VerifierKey, VerifyCheckpointError> {
        self.verify_log_with(keys.iter())
    }

    pub(crate) fn verify_log_with<'k>(
        &self,
        keys: impl Iterator<Item = &'k VerifierKey>,
    ) -> Result<&'k VerifierKey, VerifyCheckpointError> {
        let origin = &self.checkpoint.origin;
        // SPEC: tlog-policy §Defining a log: the key's name MUST correspond to the log's origin line.
        let keys: Vec<&VerifierKey> = keys.filter(|key| key.name().as_str() == origin.as_str()).collect();
        if keys.is_empty() {
            return Err(VerifyCheckpointError::UnknownOrigin { origin: origin.clone() });
        }
        let signed = self.note.verify_as(Some(&self.checkpoint), &keys).map_err(|error| match error {
            VerifyNoteError::BadSignature { name, id } => VerifyCheckpointError::BadSignature { name, id },
            VerifyNoteError::TooManySignatures { name, id } => VerifyCheckpointError::TooManySignatures { name, id },
            VerifyNoteError::NotSigned => VerifyCheckpointError::NotSigned { origin: origin.clone() },
        })?;
        // SPEC: tlog-checkpoint §Signatures: the ML-DSA-44 format doesn't sign the extension lines, so anybody may have added them.
        if !self.checkpoint.extensions.is_empty() && signed.iter().all(|key| key.algorithm() == Algorithm::CosignatureMlDsa44) {
            return Err(VerifyCheckpointError::UnsignedExtensions { origin: origin.clone() });
        }
        Ok(signed.first().expect("a verified note has a signer"))
    }

    /// Verifies as [`SignedCheckpoint::verify_log`] does, and gives the checkpoint with the log's own signature lines: one of each key, the
    /// newest if they state times. All others, verified by nobody, are left out. No signature is verified twice for it.
    pub fn verified_by_log(&self, keys: &[VerifierKey]) -> Result<Self, VerifyCheckpointError> {
        self.verify_log(keys)?;
        // Of a known name and id all lines are good by now. Where two keys have the same ones, a line of either is the log's.
        let lines = self.note.signatures();
        let mut kept: Vec<usize> = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let Some(key) = keys.iter().find(|key| key.name().as_str() == self.checkpoint.origin.as_str() && line.is_of(key)) else {
                continue;
            };
            match kept.iter_mut().find(|kept| lines[**kept].is_of(key)) {
                None => kept.push(number),
                // A cosignature begins with its time, big-endian. Of lines with one time the first is kept.
                Some(before) if key.algorithm().is_cosignature() && line.bytes.get(..8) > lines[*before].bytes.get(..8) => *before = number,
                Some(_) => {}
            }
        }
        let mut signed = self.clone();
        let any = signed.note.retain(|number, _| kept.contains(&number));
        debug_assert!(any, "a verified note has a signer");
        Ok(signed)
    }

    /// Adds what witnesses answered: of the lines that one of `keys` verifies as its cosignature with a time, the newest of each key,
    /// unless one as new is there already; an older one gives way. All other lines are ignored. Gives how many were added.
    ///
    /// A bad line is not added and does not stand in the way of a good one, since a witness's answer may come from anybody. Only the
    /// first [`MAX_LINES_PER_KEY`] lines of a key are looked at.
    pub fn add_cosignatures(&mut self, lines: &[Signature], keys: &[VerifierKey]) -> Result<usize, NoteError> {
        let mut added = 0;
        for key in keys.iter().filter(|key| key.algorithm().is_cosignature()) {
            let newest = |lines: &[Signature]| self.good_lines(lines, key).max_by_key(|(_, timestamp)| *timestamp);
            let known = newest(self.note.signatures()).and_then(|(_, timestamp)| timestamp);
            // SPEC: tlog-witness §add-checkpoint: the timestamp MUST NOT be zero. `None` is never greater than what is known.
            let Some((number, _)) = newest(lines).filter(|(_, timestamp)| *timestamp > known) else { continue };
            self.note.add_signature(lines[number].clone())?;
            let last = self.note.signatures().len() - 1;
            self.note.retain(|number, line| number == last || !line.is_of(key));
            added += 1;
        }
        Ok(added)
    }

    /// Drops every signature line that none of `keys` verifies, and of several cosignatures of one key all but the newest, so that
    /// what is stored or served cannot carry somebody's forged line. `false`, and nothing changed, if no line would be left. Only the
    /// first [`MAX_LINES_PER_KEY`] lines of a key are looked at.
    pub fn retain_verified(&mut self, keys: &[VerifierKey]) -> bool {
        // Of lines with one time the first is kept.
        let newest = |key| self.good_lines(self.note.signatures(), key).min_by_key(|(number, timestamp)| (Reverse(*timestamp), *number));
        let kept: Vec<usize> = keys.iter().filter_map(newest).map(|(number, _)| number).collect();
        self.note.retain(|number, _| kept.contains(&number))
    }

    /// Those of the lines that `key` verifies over this checkpoint, by their place, with their time.
    fn good_lines(&self, lines: &[Signature], key: &VerifierKey) -> impl Iterator<Item = (usize, Option<NonZeroU64>)> {
        let of_key = lines.iter().enumerate().filter(|(_, line)| line.is_of(key)).take(MAX_LINES_PER_KEY);
        of_key.filter_map(|(number, line)| {
            let verified = key.verify_text(self.note.text(), Some(&self.checkpoint), &line.bytes);
            verified.ok().map(|timestamp| (number, timestamp))
        })
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests;
