//! The server of an append-only log of public decisions: the library under `acta-log`.
//!
//! Entries come in over HTTP, wait in a bounded [`queue`], and are put in order by one thread, the [`sequencer`]: it appends them to the
//! Merkle tree, signs the new head, and writes all of it in one synced batch to the [`store`]; then the [`anchor`] beside the store
//! notes how far the log has come. Only then does anybody get an index. A [`log::Log`] is the handle on all that; [`startup`] decides
//! whether a log may be started at all.

pub mod anchor;
pub mod backup;
pub mod create;
pub mod data_dir;
pub mod export;
pub mod fsck;
pub mod head;
pub mod log;
pub mod metrics;
pub mod open;
pub mod queue;
pub mod sequencer;
pub mod startup;
pub mod store;

#[cfg(test)]
mod fixture;
