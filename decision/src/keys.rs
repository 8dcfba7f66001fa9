//! Keys that were met before, so that a verification need not begin with the key.
//!
//! Decoding a key takes a tenth of the time of a verification. And most statements are signed by few keys: one that keeps a table verifies in half the time
//! ([`VerifierKey::with_table`]), but a table takes 20 KB and is worth its making only after some signatures. So a key is decoded when it is
//! first met, gets a table when it was asked for sixteen times, and both are forgotten again when there are too many of them.
//!
//! Invariant: nothing here can be out of date or change an answer. A text says all of its key, and a table changes no verdict. So threads, and the
//! ledgers of several logs, share one [`Keys`], and what it forgets costs time only. Its memory is bounded, whoever chooses the keys.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use quick_cache::sync::Cache;
use tlog::key::{InvalidVerifierKey, TABLE_BYTES, VerifierKey};

/// How many keys without a table are kept, at less than half a kilobyte each.
const DECODED: usize = 16_384;

/// For how much a key was asked before it gets a table. Making one takes as long as one or two verifications and is made up for by four; where
/// there are so many keys that tables are forgotten before that, it is a tenth of the work at most.
const OFTEN: u32 = 16;

/// The bytes of tables that there are by default: those of 1,600 keys.
const TABLES: usize = 32 << 20;

/// Keys by their text.
#[derive(Debug)]
pub struct Keys {
    /// The most tables.
    tables: usize,
    /// Made when it is first needed: rules are often made only to read rows.
    met: OnceLock<Met>,
}

#[derive(Debug)]
struct Met {
    decoded: Cache<Box<str>, Arc<Decoded>>,
    with_table: Cache<Box<str>, VerifierKey>,
}

#[derive(Debug)]
struct Decoded {
    key: VerifierKey,
    /// How many times it was asked for since it last had a table.
    uses: AtomicU32,
}

impl Keys {
    /// No keys yet, and never more than so many bytes of tables. What is kept beside them is below 16 MB.
    pub fn new(table_bytes: usize) -> Self {
        Keys { tables: table_bytes / TABLE_BYTES, met: OnceLock::new() }
    }

    /// The key of this text, for verifying one signature.
    pub fn parse(&self, vkey: &str) -> Result<VerifierKey, InvalidVerifierKey> {
        let met = self.met.get_or_init(|| Met { decoded: Cache::new(DECODED), with_table: Cache::new(self.tables) });
        if let Some(key) = met.with_table.get(vkey) {
            return Ok(key);
        }
        let decoded = match met.decoded.get(vkey) {
            Some(decoded) => decoded,
            None => {
                let decoded = Arc::new(Decoded { key: vkey.parse()?, uses: AtomicU32::new(0) });
                met.decoded.insert(vkey.into(), Arc::clone(&decoded));
                decoded
            }
        };
        // One thread alone makes the table; the others verify without it meanwhile.
        if decoded.uses.fetch_add(1, Ordering::Relaxed) + 1 != OFTEN || self.tables == 0 {
            return Ok(decoded.key.clone());
        }
        let key = decoded.key.with_table();
        met.with_table.insert(vkey.into(), key.clone());
        decoded.uses.store(0, Ordering::Relaxed);
        Ok(key)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Keys::new(TABLES)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tlog::key::{Algorithm, KeyName, SigningKey};

    use super::*;

    fn vkey(number: usize) -> String {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::from_seed(KeyName::new("office.example").unwrap(), Algorithm::Ed25519, &seed).unwrap();
        key.verifier_key().to_string()
    }

    fn asked(keys: &Keys, vkey: &str, times: u32) -> VerifierKey {
        (1..times).for_each(|_| drop(keys.parse(vkey).unwrap()));
        keys.parse(vkey).unwrap()
    }

    #[test]
    fn a_key_that_is_asked_for_often_gets_a_table_and_stays_the_same() {
        let (keys, vkey) = (Keys::default(), vkey(1));
        assert!(!asked(&keys, &vkey, OFTEN - 1).has_table());
        let key = keys.parse(&vkey).unwrap();
        assert!(key.has_table() && keys.parse(&vkey).unwrap().has_table());
        assert_eq!((key.to_string(), &key), (vkey.clone(), &vkey.parse().unwrap()));
        assert!(keys.parse(&vkey[1..]).is_err(), "what is no key is none, however like one it looks");
    }

    #[test]
    fn there_are_never_more_tables_than_there_may_be_and_one_that_is_forgotten_is_made_again() {
        let (keys, vkeys) = (Keys::new(4 * TABLE_BYTES), (0..64).map(vkey).collect::<Vec<_>>());
        for vkey in &vkeys {
            asked(&keys, vkey, OFTEN);
        }
        let tables = || keys.met.get().unwrap().with_table.len();
        assert!((1..=4).contains(&tables()), "{}", tables());
        let forgotten = vkeys.iter().find(|vkey| keys.met.get().unwrap().with_table.get(vkey.as_str()).is_none()).unwrap();
        assert!(asked(&keys, forgotten, OFTEN).has_table());
        assert!(tables() <= 4);
    }

    #[test]
    fn without_room_for_tables_there_are_none() {
        assert!(!asked(&Keys::new(TABLE_BYTES - 1), &vkey(1), 3 * OFTEN).has_table());
    }
}
