//! Statements: what agencies publish, who may publish it, and what it does to earlier decisions.
//!
//! A log proves that bytes were published. This crate says what the bytes mean: a [`statement`] is one line of JSON in its one
//! [`canonical`] form, signed by those whom it concerns. The [`ledger`] is what follows from all statements of a log in their order:
//! who may sign for whom, which numbers are taken, which decision took the place of which. It is a fold over the entries, so whoever
//! has the entries computes the same, and needs to believe nobody. Natural persons appear in statements only as digests of
//! [`disclosure`]s, which are kept elsewhere and can be deleted.
//!
//! Nothing here reads a file, a clock or a source of randomness: time and salt are arguments.

pub mod canonical;
pub mod disclosure;
pub mod ledger;
pub mod statement;
pub mod text;
pub mod types;
