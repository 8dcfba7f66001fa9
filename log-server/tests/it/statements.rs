//! Logs of statements: how they begin, what they take in and what they refuse, and what they say of it.

mod bad_input;
mod creating;
mod ledger;
mod living;
