//! A monitor of transparency logs: the library under `acta-monitor`.
//!
//! Transparency only works if somebody looks. A monitor follows logs, verifies all that they serve, and says what is wrong: a log that
//! contradicts itself, entries that should not have been taken in, decisions that look wrong, and decisions that are missing.
//!
//! ```text
//! log, witnesses, other monitors          checks: pure functions of entries, rows and time
//!      │                                        │
//!   follow, views ──► verified entries ──► judge ──► ONE atomic batch: cursor, entries, ledger, rows of checks, findings, events
//!                                                                     │
//!                                             alerts, search, HTTP ◄──┘ each with its own place in the events or entries
//! ```
//!
//! Invariant: what follows from an entry is stored together with the fact that the entry was read. So a monitor that is killed at any
//! moment skips nothing and finds nothing twice. Whatever leaves the monitor (alerts, the search index) is drawn from what is stored, and
//! has its own place in it.
//!
//! | module | role |
//! |---|---|
//! | [`store`] | what is kept, and the one way to change it |
//! | [`finding`] | what a monitor can find: codes, severity, explanations |
//! | [`findings`] | which findings are open, and the sequence of events that everything outward follows |
//! | [`check`] | how a check is written |
//! | [`heads`] | every head that was seen of a log, and whether two of them can both be true |
//! | [`history`] | hashes and proofs from the entries that the monitor keeps |
//! | [`views`] | what others are shown of the logs: witnesses, other monitors, receipts |
//! | [`evidence`] | files that convict a log, and pairs of heads that do not |
//! | [`config`] | the configuration file |
//! | [`state_dir`] | what lies where |
//! | [`logs`] | how far each log was followed, and its entries |
//! | [`follow`] | following a log: head, entries, one batch |
//! | [`once`], [`replay`] | one look for cron; judging anew what was read |
//! | [`progress`], [`metrics`] | how far and how fast |
//! | [`run`] | all of it together |
//! | [`checks`] | what looks wrong or is missing, though every rule was kept |
//! | [`rules`] | rules and watch lists that the monitor's user wrote |
//! | [`ocds`] | red flags of public procurement |
//! | [`documents`] | whether documents are what decisions say |
//! | [`outside`] | the one client for addresses that strangers or the configuration name |
//! | [`published`] | when entries were published, kept |
//! | [`alert`] | findings of one kind about one issuer are one alert: sent to webhooks and by mail, or muted |
//! | [`feed`] | the newest alerts for feed readers |
//! | [`stream`] | events as they come, for programs |
//! | [`search`] | full-text search over what was read |
//! | [`export`] | findings and decisions as files |
//! | [`http`] | what the monitor answers: a page, JSON, a feed, heads |

mod api;

pub mod alert;
pub mod check;
pub mod checks;
pub mod clock;
pub mod config;
pub mod documents;
pub mod evidence;
pub mod export;
pub mod feed;
pub mod finding;
pub mod findings;
#[cfg(test)]
mod fixture;
pub mod follow;
pub mod heads;
pub mod history;
pub mod http;
mod id;
mod judge;
mod ledger;
pub mod logs;
pub mod metrics;
pub mod ocds;
pub mod once;
pub mod outside;
pub mod progress;
pub mod published;
pub mod replay;
pub mod rules;
pub mod run;
pub mod search;
pub mod state_dir;
pub mod store;
#[cfg(test)]
mod stored_log;
pub mod stream;
mod timeline;
pub mod views;
