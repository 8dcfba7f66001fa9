//! `acta-monitor codes`

use std::io::{self, Write};
use std::process::ExitCode;

use decision::ledger::Refusal;
use monitor::finding::Code;
use serde_json::json;

use crate::cli;

pub(crate) fn codes(args: &cli::Codes) -> anyhow::Result<ExitCode> {
    let ledger = Refusal::NAMES.iter().map(|name| Code::ledger(name));
    let mut out = io::stdout().lock();
    for code in Code::all().chain(ledger) {
        let (severity, title, explanation) = (code.severity(), code.title(), code.explanation());
        if args.json {
            writeln!(out, "{}", json!({"code": code, "severity": severity, "title": title, "explanation": explanation}))?;
        } else {
            writeln!(out, "{code} ({severity}): {title}\n    {explanation}")?;
        }
    }
    if !args.json {
        writeln!(out, "ledger.…, rule.NAME, watch.NAME: what is no statement, and the rules and watch lists of the configuration")?;
    }
    Ok(ExitCode::SUCCESS)
}
