//! `[search]` of the configuration.

use serde::{Deserialize, Serialize};
use serving::units::ByteSize;

/// `[search]`, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Whether there is search at all.
    pub enabled: bool,
    /// Memory for entries that are being indexed.
    pub memory: ByteSize,
    /// Searches at once.
    pub max_searches: u32,
}

/// How to index and search, with values that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Whether there is search at all.
    pub enabled: bool,
    /// Bytes of memory for entries that are being indexed.
    pub memory: usize,
    /// Searches at once.
    pub max_searches: usize,
}

/// `[search]` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Too little or too much memory.
    #[error("`search.memory` has to be from \"{}\" to \"{}\"", MIN_MEMORY, MAX_MEMORY)]
    Memory,
    /// No searches.
    #[error("`search.max_searches` is 0: write the number of searches that may run at once, or `enabled = false` for no search")]
    NoSearches,
}

/// The library needs as much for one thread.
const MIN_MEMORY: ByteSize = ByteSize::mebibytes(16);

/// It cannot use more for one thread.
const MAX_MEMORY: ByteSize = ByteSize::mebibytes(4000);

impl Section {
    /// Checks every value.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        if !(MIN_MEMORY..=MAX_MEMORY).contains(&self.memory) {
            return Err(SettingsError::Memory);
        }
        if self.max_searches == 0 {
            return Err(SettingsError::NoSearches);
        }
        let max_searches = usize::try_from(self.max_searches).unwrap_or(usize::MAX);
        Ok(Settings { enabled: self.enabled, memory: self.memory.bytes(), max_searches })
    }
}

impl Default for Section {
    fn default() -> Self {
        Section { enabled: true, memory: ByteSize::mebibytes(64), max_searches: 8 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Section::default().validate().expect("a test validates the defaults")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_too_little_does_not() {
        assert!(Settings::default().enabled);
        let little = Section { memory: ByteSize::mebibytes(1), ..Section::default() };
        assert_eq!(little.validate(), Err(SettingsError::Memory));
        assert_eq!(Section { max_searches: 0, ..Section::default() }.validate(), Err(SettingsError::NoSearches));
        assert!(SettingsError::Memory.to_string().contains("\"16 MiB\""));
    }
}
