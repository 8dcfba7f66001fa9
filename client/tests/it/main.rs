//! The library against a log that behaves, and one that does not; and the program against the real server.

#![allow(clippy::unwrap_used, clippy::as_conversions, reason = "a test fails by panicking, and its numbers are small")]

mod auditing;
mod cli;
mod commands;
mod end_to_end;
mod folding;
mod formats;
mod hostile;
mod publishing;
mod reading;
mod registering;
mod searching;
mod server;
mod standing;
mod world;
