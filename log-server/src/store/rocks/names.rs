//! Giving a file back the name that RocksDB took from it.
//!
//! When RocksDB takes a table file in, it links it under a name of its own, notes that name in its manifest, syncs that, and removes the name
//! that we gave. When the sync fails, it removes its own name instead; but the note was written and may well be read at the next start. The
//! store then names a file that is not there, and could not be opened any more, although nothing is lost: the file still has our name.
//!
//! No other file can get into its place: RocksDB compares the identifier in the file with the one that it noted. Opening a store for reading
//! changes nothing, so there such a file is missing.

use std::fs;
use std::path::Path;

use serving::directory::sync_parent;

use super::{RocksStore, leaves, ledger};
use crate::store::StoreError;

/// Opens the store in `dir`, which may have to get a file back first.
pub(super) fn open(dir: &Path, open: impl Fn() -> Result<RocksStore, StoreError>) -> Result<RocksStore, StoreError> {
    let refusal = match open() {
        Err(StoreError::Database(refusal)) => refusal,
        opened => return opened,
    };
    let missing = missing_file(refusal.as_ref()).map(|name| dir.join(name)).filter(|path| !path.exists());
    let Some(missing) = missing else { return Err(refusal.into()) };
    for table in [leaves::TABLE, ledger::TABLE] {
        if fs::hard_link(dir.join(table), &missing).is_err() {
            continue;
        }
        if sync_parent(&missing).is_ok()
            && let Ok(store) = open()
        {
            return Ok(store);
        }
        // No harm is done where this fails: it is refused as it was.
        drop(fs::remove_file(&missing));
    }
    Err(refusal.into())
}

/// The table file that RocksDB names when it refuses to open: digits, and what it ends with.
fn missing_file(refusal: &str) -> Option<&str> {
    let (before, _) = refusal.split_once(".sst")?;
    let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
    let from = before.len() - digits;
    (digits > 0).then(|| &refusal[from..before.len() + ".sst".len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_in_each_of_the_ways_in_which_it_is_missed() {
        let opened = "Corruption: Corruption: IO error: No such file or directory: While open a file for random read: /log/db/000011.sst: No such \
                      file or directory  The file /log/db/MANIFEST-000005 may be corrupted.";
        assert_eq!(missing_file(opened), Some("000011.sst"));
        let looked_at = "Corruption: Can't access /1234567.sst: IO error: No such file or directory: while stat a file for size";
        assert_eq!(missing_file(looked_at), Some("1234567.sst"));
        assert_eq!(missing_file("IO error: lock /log/db/LOCK"), None);
        assert_eq!(missing_file("the file x.sst"), None);
    }
}
