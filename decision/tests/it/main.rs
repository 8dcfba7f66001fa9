//! What everybody who uses statements can see.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod chains;
mod numbers;
mod refusals;
mod schemas;
mod state;
mod vectors;
mod world;
