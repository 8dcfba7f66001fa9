//! Entry bundles: big-endian two-byte lengths, each followed by the entry.

use super::MAX_ENTRY;

/// An entry of more than [`MAX_ENTRY`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {len} bytes is too large: a log's entries have at most {MAX_ENTRY} bytes; publish a digest of the document instead")]
pub struct EntryTooLarge {
    /// How many bytes it has.
    pub len: usize,
}

/// Bytes that are not the entries asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedBundle {
    /// The bytes end within an entry or its length.
    #[error("the bundle of entries ends in the middle of an entry; fetch it again")]
    Truncated,
    /// Fewer entries than the bundle has.
    #[error("the bundle has {found} entries where {expected} are expected; fetch it again")]
    TooFew {
        /// How many there should be.
        expected: u16,
        /// How many there are.
        found: u16,
    },
    /// Bytes after the last entry.
    #[error("the bundle has more than the {expected} entries expected; fetch it again")]
    TooMany {
        /// How many there should be.
        expected: u16,
    },
}

/// Appends one entry to a bundle.
pub fn encode_entry(entry: &[u8], out: &mut Vec<u8>) -> Result<(), EntryTooLarge> {
    // SPEC: tlog-tiles §Log entries
    let len = u16::try_from(entry.len()).map_err(|_| EntryTooLarge { len: entry.len() })?;
    out.reserve(2 + entry.len());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle one by one, without copies. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// Reads `bytes` as a bundle of any number of entries.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Entries { rest: bytes }
    }

    /// The bytes not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], MalformedBundle>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = self.rest.split_first_chunk().and_then(|(len, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*len))));
        let Some((entry, rest)) = split else {
            self.rest = &[];
            return Some(Err(MalformedBundle::Truncated));
        };
        self.rest = rest;
        Some(Ok(entry))
    }
}

/// Exactly `width` entries and nothing after them.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, MalformedBundle> {
    let mut entries = Entries::new(bytes);
    // An entry takes at least its length's two bytes, so the reservation stays within the input's own size.
    let mut parsed = Vec::with_capacity(usize::from(width).min(bytes.len() / 2));
    for found in 0..width {
        parsed.push(entries.next().ok_or(MalformedBundle::TooFew { expected: width, found })??);
    }
    if !entries.rest().is_empty() {
        return Err(MalformedBundle::TooMany { expected: width });
    }
    Ok(parsed)
}
