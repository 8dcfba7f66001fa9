//! Signed notes (C2SP signed-note): text, a blank line, and signature lines.
//!
//! Invariant: a [`Note`] prints as exactly the bytes that it was parsed from, and what is built by hand parses again. So bytes are
//! never kept beside the parsed form, and two parsers cannot see two texts in one note.

use std::fmt;
use std::num::NonZeroU64;

use crate::base64;
use crate::checkpoint::Checkpoint;
use crate::key::{KeyId, KeyName, VerifierKey};
use crate::printable::Printable;

/// The most bytes of a note. More than sixteen signatures of any kind fit; a signature of ML-DSA-44 takes 3.3 kB.
pub const MAX_NOTE: usize = 128 * 1024;

/// The most signature lines of one key that a note may have. A key signs once; a witness that was asked again signs again, with a new
/// time. The limit keeps a note of a thousand good lines from costing a thousand verifications.
pub const MAX_LINES_PER_KEY: usize = 16;

/// What a signature line starts with: an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// Signed text: nothing in it is to be believed until [`Note::verify`] succeeded.
///
/// ```
/// use tlog::note::Note;
///
/// let bytes = "A decision.\n\n— example.com/log q6urqwECAwQ=\n".as_bytes();
/// let note = Note::parse(bytes)?;
/// assert_eq!(note.text(), "A decision.\n");
/// assert_eq!(note.signatures()[0].name.as_str(), "example.com/log");
/// assert_eq!(note.to_bytes(), bytes);
/// # Ok::<(), tlog::note::NoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: KeyName,
    /// The id of the key.
    pub key_id: KeyId,
    /// What follows the key id; its form is the algorithm's. Never empty in a note.
    pub bytes: Vec<u8>,
}

/// Why some bytes are not a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// More than [`MAX_NOTE`] bytes.
    #[error("the signed note is larger than 128 KiB, which is more than any of ours; check that this is the right file")]
    TooLarge,
    /// Not UTF-8.
    #[error("the signed note is not UTF-8 text; check that this is the right file and was copied as it is")]
    NotUtf8,
    /// A control character other than a newline.
    #[error("the signed note contains a control character (perhaps Windows line ends); fetch the original file again")]
    ControlCharacter,
    /// No blank line before the signatures.
    #[error("the signed note has no blank line between its text and its signatures; it may have been cut short")]
    NoBlankLine,
    /// The text does not end in a newline.
    #[error("the text of a signed note must end in a newline; add it before signing")]
    TextWithoutNewline,
    /// No signature follows the blank line.
    #[error("the signed note has no signatures; it may have been cut short")]
    NoSignatures,
    /// The last line is incomplete.
    #[error("the signed note does not end in a newline; it may have been cut short")]
    NoFinalNewline,
    /// A line after the last blank line is not a signature.
    #[error("a signature line of the note is malformed: expected an em dash, the key's name and base64; fetch the original file again")]
    MalformedSignature,
}

/// Why a note was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyNoteError {
    /// A signature that claims to be of a known key is not.
    #[error("the signature of {} ({id}) does not fit the text: the text or the signature was altered; do not rely on it", Printable(name))]
    BadSignature {
        /// Whose it claims to be.
        name: KeyName,
        /// Which key it claims.
        id: KeyId,
    },
    /// None of the keys has signed.
    #[error("none of the keys that you trust has signed this; get the key of its signer from a source that you trust")]
    NotSigned,
    /// More than [`MAX_LINES_PER_KEY`] lines of one key. They may all be good.
    #[error("there are more than {MAX_LINES_PER_KEY} signatures of {} ({id}); keep only the newest of them", Printable(name))]
    TooManySignatures {
        /// Whose they claim to be.
        name: KeyName,
        /// Which key they claim.
        id: KeyId,
    },
}

/// The line for which [`verify_lines`] refused a note.
pub(crate) enum BadLine<'l> {
    /// It claims to be of a known key and is not: of the one with the number `key`, or of another with the same name and id.
    Forged { line: &'l Signature, key: usize },
    /// It is one more than [`MAX_LINES_PER_KEY`].
    TooMany { line: &'l Signature },
}

impl From<BadLine<'_>> for VerifyNoteError {
    fn from(bad: BadLine<'_>) -> Self {
        match bad {
            BadLine::Forged { line, .. } => VerifyNoteError::BadSignature { name: line.name.clone(), id: line.key_id },
            BadLine::TooMany { line } => VerifyNoteError::TooManySignatures { name: line.name.clone(), id: line.key_id },
        }
    }
}

/// Verifies every line that is of one of `keys` and ignores all others. For each key: `None` if it has not signed, else the newest time
/// that it stated, if it stated any. `checkpoint` is what `text` is, if it is a checkpoint.
///
/// A name and id may be those of two keys; a line is good if one of them made it, and counts for that one.
pub(crate) fn verify_lines<'l>(
    lines: &'l [Signature],
    text: &str,
    checkpoint: Option<&Checkpoint>,
    keys: &[&VerifierKey],
) -> Result<Vec<Option<Option<NonZeroU64>>>, BadLine<'l>> {
    let mut newest = vec![None; keys.len()];
    let mut seen = vec![0; keys.len()];
    for line in lines {
        // SPEC: signed-note §Signatures: ignore unknown keys; name *and* id make a key known.
        let (mut known, mut good) = (None, false);
        for (i, key) in keys.iter().enumerate().filter(|(_, key)| line.is_of(key)) {
            known = known.or(Some(i));
            seen[i] += 1;
            if seen[i] > MAX_LINES_PER_KEY {
                return Err(BadLine::TooMany { line });
            }
            if let Ok(timestamp) = key.verify_text(text, checkpoint, &line.bytes) {
                good = true;
                newest[i] = newest[i].max(Some(timestamp));
            }
        }
        // SPEC: signed-note §Signatures: a signature from a known key that fails rejects the note.
        if let (Some(key), false) = (known, good) {
            return Err(BadLine::Forged { line, key });
        }
    }
    Ok(newest)
}

/// Checks what holds for the text of every note.
pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    // SPEC: signed-note §Format: no ASCII control characters other than newline; the text ends in one.
    if text.bytes().any(|c| c < b' ' && c != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    if !text.ends_with('\n') {
        return Err(NoteError::TextWithoutNewline);
    }
    Ok(())
}

impl Note {
    /// Parses a note of at most [`MAX_NOTE`] bytes. Says nothing about whether its signatures are good.
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::TooLarge);
        }
        // SPEC: signed-note §Format: valid UTF-8.
        let all = str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        if all.bytes().any(|c| c < b' ' && c != b'\n') {
            return Err(NoteError::ControlCharacter);
        }
        // SPEC: signed-note §Format: the text is separated from the signatures by the *last* empty line.
        let blank = all.rfind("\n\n").ok_or(NoteError::NoBlankLine)?;
        let (text, lines) = (&all[..=blank], &all[blank + 2..]);
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoFinalNewline)?;
        let signatures = lines.split('\n').map(Signature::parse_line).collect::<Result<_, _>>()?;
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// Puts a note together from its text, which ends in a newline, and at least one signature.
    pub fn new(text: &str, signatures: Vec<Signature>) -> Result<Note, NoteError> {
        check_text(text)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        if signatures.iter().any(|signature| signature.bytes.is_empty()) {
            return Err(NoteError::MalformedSignature);
        }
        let note = Note { text: text.to_owned(), signatures };
        note.check_size()?;
        Ok(note)
    }

    /// The text with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order, verified or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature line at the end. On an error the note is as before.
    pub fn add_signature(&mut self, signature: Signature) -> Result<(), NoteError> {
        if signature.bytes.is_empty() {
            return Err(NoteError::MalformedSignature);
        }
        self.signatures.push(signature);
        self.check_size().inspect_err(|_| {
            self.signatures.pop();
        })
    }

    /// The note as bytes: what [`Note::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// The signature lines, without a copy.
    pub fn into_signatures(self) -> Vec<Signature> {
        self.signatures
    }

    /// Verifies every signature that is of one of `keys` and ignores all others. Gives the keys that have signed, each once, in the
    /// order of `keys`.
    ///
    /// One bad signature of a known key refuses the whole note, however many good ones there are, and so do more than
    /// [`MAX_LINES_PER_KEY`] of them.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, VerifyNoteError> {
        self.verify_with(&keys.iter().collect::<Vec<_>>())
    }

    /// [`Note::verify`] with keys from several places.
    pub(crate) fn verify_with<'k>(&self, keys: &[&'k VerifierKey]) -> Result<Vec<&'k VerifierKey>, VerifyNoteError> {
        let cosigned = keys.iter().any(|key| key.algorithm().is_cosignature());
        let checkpoint = if cosigned { Checkpoint::parse(&self.text).ok() } else { None };
        self.verify_as(checkpoint.as_ref(), keys)
    }

    /// [`Note::verify_with`] where the text was parsed before.
    pub(crate) fn verify_as<'k>(
        &self,
        checkpoint: Option<&Checkpoint>,
        keys: &[&'k VerifierKey],
    ) -> Result<Vec<&'k VerifierKey>, VerifyNoteError> {
        let signed = verify_lines(&self.signatures, &self.text, checkpoint, keys)?;
        let verified: Vec<_> = keys.iter().zip(signed).filter_map(|(&key, signed)| signed.map(|_| key)).collect();
        // SPEC: signed-note §Signatures: without a good signature of a known key, reject the note.
        if verified.is_empty() { Err(VerifyNoteError::NotSigned) } else { Ok(verified) }
    }

    /// Keeps the signature lines for which `keep` answers true. `false`, and nothing changed, if none would be left.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize, &Signature) -> bool) -> bool {
        let kept: Vec<_> = self.signatures.iter().enumerate().filter(|(i, line)| keep(*i, line)).map(|(_, line)| line.clone()).collect();
        let any = !kept.is_empty();
        if any {
            self.signatures = kept;
        }
        any
    }

    fn check_size(&self) -> Result<(), NoteError> {
        let signatures: usize = self.signatures.iter().map(Signature::line_len).sum();
        if self.text.len() + 1 + signatures > MAX_NOTE { Err(NoteError::TooLarge) } else { Ok(()) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    /// Parses a signature line without its newline.
    pub fn parse_line(line: &str) -> Result<Signature, NoteError> {
        // SPEC: signed-note §Format: em dash, space, key name, space, base64 of the big-endian key id and the signature.
        let rest = line.strip_prefix(LINE_START).ok_or(NoteError::MalformedSignature)?;
        let (name, encoded) = rest.split_once(' ').ok_or(NoteError::MalformedSignature)?;
        let name = KeyName::new(name).map_err(|_| NoteError::MalformedSignature)?;
        let bytes = base64::decode(encoded).ok_or(NoteError::MalformedSignature)?;
        match bytes.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() => {
                Ok(Signature { name, key_id: KeyId::new(u32::from_be_bytes(*id)), bytes: bytes.to_vec() })
            }
            _ => Err(NoteError::MalformedSignature),
        }
    }

    /// Whether it claims to be made with `key`.
    pub fn is_of(&self, key: &VerifierKey) -> bool {
        self.name == *key.name() && self.key_id == key.id()
    }

    /// The bytes of the line with its newline.
    fn line_len(&self) -> usize {
        LINE_START.len() + self.name.as_str().len() + 1 + (4 + self.bytes.len()).div_ceil(3) * 4 + 1
    }
}

impl fmt::Display for Signature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = base64::encode(&[self.key_id.as_u32().to_be_bytes().as_slice(), &self.bytes].concat());
        write!(f, "{LINE_START}{} {encoded}", self.name)
    }
}

#[cfg(test)]
mod tests;
