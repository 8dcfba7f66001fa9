//! The monitor from outside: real processes, real sockets, a real store, and logs that do not do as they should.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod alerts;
mod campaign;
mod checking;
mod faults;
mod killed;
mod killed_alerts;
mod lies;
mod process;
mod replaying;
mod searching;
mod server;
mod serving;
mod views;
mod world;
