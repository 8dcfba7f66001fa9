//! The server of an append-only log of public decisions: the library under `acta-log`.
//!
//! Entries come in over HTTP, wait in a bounded [`queue`], and are put in order by one thread, the [`sequencer`]: it appends them to the
//! Merkle tree, signs the new head, and writes all of it in one synced batch to the [`store`]; then the [`anchor`] beside the store
//! notes how far the log has come. Only then does anybody get an index. A [`log::Log`] is the handle on all that; [`startup`] decides
//! whether a log may be started at all. Requests come in by the listener of [`serving`] and are answered by [`http`]; [`ops`] is what
//! whoever runs the log is told, and [`config`] the file that sets all of it.

pub mod admission;
pub mod anchor;
pub mod backup;
pub mod config;
pub mod create;
pub mod data_dir;
mod disk;
pub mod export;
pub mod fsck;
pub mod gather;
pub mod head;
pub mod http;
pub mod log;
pub mod metrics;
pub mod open;
pub mod ops;
pub mod queue;
pub mod rebuild;
pub mod run;
pub mod sequencer;
pub mod startup;
pub mod store;
pub mod tree_head;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod simulation;
