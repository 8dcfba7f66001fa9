//! Keys that were parsed before. Parsing one takes a square root in a field, a tenth of what verifying a signature takes.

use quick_cache::sync::Cache;
use tlog::key::VerifierKey;

/// Keys of some thousand issuers, at less than half a kilobyte each.
const KEYS: usize = 16_384;

/// Parsed keys by their text. A text says all of its key, so nothing here can be out of date.
#[derive(Debug)]
pub(crate) struct Keys(Cache<Box<str>, VerifierKey>);

impl Keys {
    pub(crate) fn new() -> Self {
        Keys(Cache::new(KEYS))
    }

    pub(crate) fn parse(&self, vkey: &str) -> Option<VerifierKey> {
        if let Some(key) = self.0.get(vkey) {
            return Some(key);
        }
        let key: VerifierKey = vkey.parse().ok()?;
        self.0.insert(vkey.into(), key.clone());
        Some(key)
    }
}
