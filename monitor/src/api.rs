//! `/api/v1/…`: what the monitor knows, as JSON.
//!
//! Invariant: a parameter that means nothing is an error and not ignored, so that nobody takes all findings for those that they asked for.

mod parameters;

pub(crate) use parameters::BadParameter;
