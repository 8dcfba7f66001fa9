//! The server from outside: real processes, real sockets, a real store.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod crash;
mod data_dir;
mod faults;
mod http;
mod process;
mod statements;
mod witnesses;
mod world;
