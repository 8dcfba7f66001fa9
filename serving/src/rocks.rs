//! What the servers' databases have in common: how RocksDB is held to its bounds.
//!
//! How much of a damaged write-ahead log is believed is each server's own decision, and none of this.

use rocksdb::Options;

/// Options of a database that is checked as it is read, writes steadily, and keeps to `write_buffer_bytes` of memory for recent writes and to
/// `max_open_files` file descriptors: the rest of what the process may open is for connections.
pub fn options(write_buffer_bytes: usize, max_open_files: u16) -> Options {
    let mut db = Options::default();
    db.set_paranoid_checks(true);
    db.set_db_write_buffer_size(write_buffer_bytes);
    db.set_max_total_wal_size(u64::try_from(write_buffer_bytes).unwrap_or(u64::MAX).saturating_mul(2));
    db.set_max_background_jobs(2);
    db.set_max_open_files(max_open_files.into());
    db.set_bytes_per_sync(1 << 20); // table files reach the disk steadily instead of in one stall at their end
    db.set_keep_log_file_num(4);
    db.set_max_log_file_size(4 << 20);
    db.set_stats_dump_period_sec(0);
    db
}
