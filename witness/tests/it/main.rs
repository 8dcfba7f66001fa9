//! The witness from outside: real processes, real sockets, a real store.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../src/fixture.rs"]
mod fixture;

mod bastion;
mod bounds;
mod cli;
mod faults;
mod following;
mod process;
mod protocol;
mod state;
