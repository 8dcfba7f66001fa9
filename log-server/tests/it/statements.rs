//! Logs of statements: what they take in, what they refuse, and what they say of it.

mod bad_input;
