//! Statements: what agencies publish, who may publish it, and what it does to earlier decisions.
//!
//! A log proves that bytes were published. This crate says what the bytes mean: a [`statement`] is one line of JSON in its one
//! [`canonical`] form, signed by those whom it concerns. Natural persons appear in it only as digests of [`disclosure`]s, which are kept
//! elsewhere and can be deleted.
//!
//! Nothing here reads a file, a clock or a source of randomness: time and salt are arguments.

pub mod canonical;
pub mod disclosure;
pub mod text;
