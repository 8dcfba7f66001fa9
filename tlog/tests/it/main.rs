//! What others say about our formats: implementations and vectors from elsewhere.

#![allow(clippy::unwrap_used, reason = "tests")]

mod ct_merkle;
mod go_merkle;
