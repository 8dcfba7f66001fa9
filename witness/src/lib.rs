//! A witness of transparency logs: the library under `acta-witness`.
//!
//! A witness cosigns a log's checkpoint if it continues the one that it cosigned last, and never another one; so that what enough witnesses
//! cosigned is the one history that the log can show (C2SP tlog-witness). What may be cosigned is decided by [`tlog::witness`], which is
//! pure; here is what it takes to do that for many logs at once without ever going back: [`cosigner`] is the path of a request, [`store`]
//! what must survive everything and [`anchor`] how a loss of it is noticed, [`http`] what is said to the world, [`bastion`] how
//! that is done without a public address, and [`run`] all of it together. [`follow`] brings it heads of logs that do not push.

pub mod anchor;
pub mod bastion;
pub mod config;
pub mod cosigner;
pub mod create;
pub mod data_dir;
pub mod evidence;
pub mod follow;
pub mod http;
pub mod keys;
pub mod logs;
pub mod metrics;
pub mod rate;
pub mod run;
pub mod store;

mod committer;
mod locks;

#[cfg(test)]
mod fixture;
