//! `acta-monitor codes`

use std::process::ExitCode;

use decision::canonical::NotCanonical;
use decision::ledger::Refusal;
use decision::statement::Malformed;
use monitor::finding::Code;
use serde_json::json;

use super::print_lines;
use crate::cli;

pub(crate) fn codes(args: &cli::Codes) -> anyhow::Result<ExitCode> {
    print_lines(lines(args.json))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(json: bool) -> impl Iterator<Item = String> {
    let ledger = Refusal::NAMES.iter().chain(Malformed::NAMES).chain(NotCanonical::NAMES).map(|name| Code::ledger(name));
    let line = move |code: Code| {
        let (severity, title, explanation) = (code.severity(), code.title(), code.explanation());
        if json {
            json!({"code": code, "severity": severity, "title": title, "explanation": explanation}).to_string()
        } else {
            format!("{code} ({severity}): {title}\n    {explanation}")
        }
    };
    let own = (!json).then(|| "rule.NAME, watch.NAME: the rules and watch lists of the configuration".to_owned());
    Code::all().chain(ledger).map(line).chain(own)
}
