//! `acta-monitor audit-receipt`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use acta_client::{durable, terminal};
use anyhow::anyhow;
use monitor::clock::Clock;
use monitor::state_dir::{LockError, StateDir, StateError};
use monitor::views::{Audited, Metrics, NotAudited, Parts, Views, audit_receipt as audit, hand_over};
use prometheus::Registry;
use serde_json::json;
use serving::messages::MessagesSection;
use tlog::proof::MAX_PROOF_FILE;

use super::config;
use crate::cli;

/// In the order in which they are told, if there are several: a lie, a file that is no receipt, one that cannot be decided yet.
const FOUND: u8 = 1;
const WRONG: u8 = 2;
const UNSEEN: u8 = 3;

pub(crate) fn audit_receipt(args: &cli::AuditReceipt) -> anyhow::Result<ExitCode> {
    MessagesSection { level: "error".to_owned(), ..MessagesSection::default() }.print()?;
    let config = config(&args.watched)?;
    let dir = StateDir::new(&config.state);
    let state = match dir.open(config.store) {
        Ok(state) => state,
        Err(StateError::Lock(LockError::Held { .. })) => return leave(args, &dir),
        Err(error) => {
            eprintln!("acta-monitor: {error}");
            return Ok(ExitCode::from(UNSEEN));
        }
    };
    let metrics = Metrics::new(&Registry::new())?;
    let views = Views::new(Parts::new(&config, &dir, Arc::clone(&state.store), Clock::system(), metrics))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| anyhow!("cannot start: {error}"))?;
    let mut codes = Vec::new();
    for file in &args.files {
        let audited = match read(file) {
            Ok(bytes) => runtime.block_on(audit(&views, &bytes)).map_err(Refused::NotAudited),
            Err(refused) => Err(refused),
        };
        codes.push(tell(args, file, &audited)?);
    }
    Ok(worst(&codes))
}

/// Why nothing is said of a file.
enum Refused {
    Unreadable(std::io::Error),
    TooLarge,
    NotAudited(NotAudited),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Refused::TooLarge => f.write_str("it is larger than any receipt"),
            Refused::NotAudited(error) => error.fmt(f),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Refused> {
    let limit = u64::try_from(MAX_PROOF_FILE).expect("small");
    durable::read_bounded(file, limit).map_err(Refused::Unreadable)?.ok_or(Refused::TooLarge)
}

/// Leaves the files to the process that works on the state directory.
fn leave(args: &cli::AuditReceipt, dir: &StateDir) -> anyhow::Result<ExitCode> {
    let mut codes = vec![UNSEEN];
    for file in &args.files {
        let text = match read(file) {
            Ok(bytes) if hand_over(&dir.receipts(), &bytes)? => {
                "handed over to the acta-monitor that runs on this state directory; what comes of it is among its findings"
            }
            Ok(_) => "too many receipts wait for the acta-monitor that runs on this state directory; try again later",
            Err(refused) => {
                codes.push(tell(args, file, &Err(refused))?);
                continue;
            }
        };
        say(args, file, "handed-over", text)?;
    }
    Ok(worst(&codes))
}

fn tell(args: &cli::AuditReceipt, file: &Path, audited: &Result<Audited, Refused>) -> anyhow::Result<u8> {
    let (code, result, text) = match audited {
        Ok(audited @ Audited::Included { .. }) => (0, "included", audited.to_string()),
        Ok(audited @ Audited::Waits { .. }) => (UNSEEN, "waits", audited.to_string()),
        Ok(audited @ Audited::Unproven { .. }) => (FOUND, "unproven", audited.to_string()),
        Ok(audited) => (FOUND, "not-included", audited.to_string()),
        Err(Refused::NotAudited(NotAudited::Views(error))) => return Err(anyhow!("{error}")),
        Err(refused) => (WRONG, "refused", refused.to_string()),
    };
    say(args, file, result, &text)?;
    Ok(code)
}

fn say(args: &cli::AuditReceipt, file: &Path, result: &str, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "file": file.display().to_string(), "result": result, "text": text }))?;
    } else {
        writeln!(out, "{}: {}", terminal::path(file), terminal::line(text))?;
    }
    Ok(())
}

fn worst(codes: &[u8]) -> ExitCode {
    let first = [FOUND, WRONG, UNSEEN].into_iter().find(|code| codes.contains(code));
    first.map_or(ExitCode::SUCCESS, ExitCode::from)
}
