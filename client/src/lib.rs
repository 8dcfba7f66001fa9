//! Fetches, checks and feeds a log of public decisions.
//!
//! Nothing that comes from a log or over a network is used before it is checked: a checkpoint under a
//! [policy](tlog::policy::Policy), tiles up to the checkpoint's root, entries against their tiles, receipts as a whole. What has been
//! checked has a type of its own ([`VerifiedLog`](verified::VerifiedLog), [`tlog::policy::VerifiedCheckpoint`]), so that the rest
//! cannot be mistaken for it.
//!
//! | module | role |
//! |---|---|
//! | [`location`] | where a log is: a URL or a directory |
//! | [`source`] | bytes from there, bounded, with retries |
//! | [`cache`] | tiles that never change, on disk |
//! | [`verified`] | reading a log under one verified checkpoint |
//! | [`fold`] | what all of a log's statements say together, computed here |
//! | [`status`] | what stands: the operator's word, and what follows from the entries |
//! | [`search`] | what a monitor finds, checked against the log |
//! | [`submit`] | adding entries |
//! | [`cosign`] | having a witness cosign a log's head |
//! | [`registrar`] | statements that several people sign |
//! | [`publish`] | adding many entries, with a receipt for each, resumably |
//! | [`statements`] | signing many decisions and publishing them, resumably |
//! | [`evidence`] | what convicts a log that served something else before |
//! | [`audit`] | reading a whole log again, and comparing it with what was seen before |
//! | [`mod@bench`] | load, and how a log bears it |
//! | [`durable`] | files that are there whole or not at all |
//! | [`words`] | statements in words |
//! | [`terminal`] | foreign text that does nothing to a terminal |

pub mod audit;
pub mod bench;
pub mod cache;
pub mod cosign;
pub mod durable;
pub mod evidence;
pub mod fold;
pub mod location;
pub mod publish;
pub mod registrar;
pub mod search;
pub mod source;
pub mod statements;
pub mod status;
pub mod submit;
pub mod terminal;
pub mod verified;
pub mod words;

mod task;
