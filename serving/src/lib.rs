//! What Acta's servers have in common below the protocol that each of them speaks.
//!
//! A server hands a [`listener`] a handler and its bounds: so many connections, so long for headers, so many bytes. The handler reads
//! [`body`] and client ([`proxy`], [`limits`]), and makes an answer ([`response`], [`html`]); [`http_metrics`] counts connections and requests.
//! Beside it runs the operators' listener ([`ops`]) with metrics and health. [`config`] reads configuration files and checks their values;
//! [`address`], [`units`] and [`messages`] are the parts of them that all servers share. [`tls`] reads certificates, [`authorities`] whose
//! to believe. [`files`] keeps connections from taking the store's file descriptors, [`rocks`] the store to its own bounds. [`program`] is
//! the process around it, [`directory`] the lock of its data.
//!
//! Invariant: nothing from outside makes a server hold more than its bounds, in memory, in connections, or in time. Statuses and texts are
//! each server's own: nothing here knows what a request means.

pub mod address;
pub mod authorities;
pub mod body;
pub mod config;
pub mod directory;
pub mod files;
pub mod html;
pub mod http_metrics;
pub mod limits;
pub mod listener;
pub mod messages;
pub mod metrics;
pub mod ops;
pub mod program;
pub mod proxy;
pub mod response;
pub mod rocks;
pub mod signals;
pub mod tls;
pub mod units;

mod clients;
mod connection;
mod heaps;
