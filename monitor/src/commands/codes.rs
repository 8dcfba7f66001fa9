//! `acta-monitor codes`

use std::io::{self, Write};
use std::process::ExitCode;

use decision::canonical::NotCanonical;
use decision::ledger::Refusal;
use decision::statement::Malformed;
use monitor::finding::Code;
use serde_json::json;

use crate::cli;

pub(crate) fn codes(args: &cli::Codes) -> anyhow::Result<ExitCode> {
    let ledger = Refusal::NAMES.iter().chain(Malformed::NAMES).chain(NotCanonical::NAMES).map(|name| Code::ledger(name));
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
        writeln!(out, "rule.NAME, watch.NAME: the rules and watch lists of the configuration")?;
    }
    Ok(ExitCode::SUCCESS)
}
