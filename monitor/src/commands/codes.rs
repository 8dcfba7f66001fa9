//! `acta-monitor codes`

use std::io::{self, Write};
use std::process::ExitCode;

use decision::canonical::NotCanonical;
use decision::ledger::Refusal;
use decision::statement::Malformed;
use monitor::finding::Code;
use serde_json::json;

use super::seen_enough;
use crate::cli;

pub(crate) fn codes(args: &cli::Codes) -> anyhow::Result<ExitCode> {
    seen_enough(write(args.json, io::stdout().lock()))?;
    Ok(ExitCode::SUCCESS)
}

fn write(json: bool, mut out: impl Write) -> io::Result<()> {
    let ledger = Refusal::NAMES.iter().chain(Malformed::NAMES).chain(NotCanonical::NAMES).map(|name| Code::ledger(name));
    for code in Code::all().chain(ledger) {
        let (severity, title, explanation) = (code.severity(), code.title(), code.explanation());
        if json {
            writeln!(out, "{}", json!({"code": code, "severity": severity, "title": title, "explanation": explanation}))?;
        } else {
            writeln!(out, "{code} ({severity}): {title}\n    {explanation}")?;
        }
    }
    if !json {
        writeln!(out, "rule.NAME, watch.NAME: the rules and watch lists of the configuration")?;
    }
    out.flush()
}
