//! The monitor from outside: real processes, real sockets, real logs.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod views;
