//! The crate as others see it: what implementations and vectors from elsewhere say, and what holds for every input.

#![allow(clippy::unwrap_used, reason = "tests")]

mod ct_merkle;
mod go_merkle;
mod properties;
mod vectors;
