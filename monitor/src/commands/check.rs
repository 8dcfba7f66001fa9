//! `acta-monitor check`

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use acta_client::terminal;
use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use monitor::finding::{Finding, Severity};
use monitor::once::{Looked, Once};
use monitor::progress::{Progress, Watch};
use serving::messages::MessagesSection;

use super::{config, seen_enough};
use crate::cli;

/// Findings, and a log that could not be looked at.
const FOUND: u8 = 1;
const UNSEEN: u8 = 3;

pub(crate) fn check(args: &cli::Check) -> anyhow::Result<ExitCode> {
    MessagesSection { level: "error".to_owned(), ..MessagesSection::default() }.print()?;
    let json = args.json;
    let config = config(&args.watched)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| anyhow!("cannot start: {error}"))?;
    let once = match Once::open(config) {
        Ok(once) => once,
        Err(error) => return Ok(unseen(&error)),
    };
    let (mut found, mut missed) = (false, false);
    for log in once.logs() {
        let progress = Arc::new(Progress::default());
        let looked = runtime.block_on(async {
            tokio::select! {
                looked = once.look(&log, Arc::clone(&progress)) => looked,
                () = show(&progress) => unreachable!("it is shown without end"),
            }
        });
        let Looked { findings, unavailable, entries } = match looked {
            Ok(looked) => looked,
            Err(error) => return Ok(unseen(&error)),
        };
        found |= findings.iter().any(|finding| finding.severity > Severity::Info);
        seen_enough(print(&findings, json)).context("the findings could not be printed")?;
        match &unavailable {
            Some(why) => {
                missed = true;
                eprintln!("acta-monitor: {} could not be looked at: {}", terminal::line(&log), terminal::line(why));
            }
            None if !json => println!("{}: {entries} entries read, {}", terminal::line(&log), count(&findings)),
            None => {}
        }
    }
    Ok(match (missed, found) {
        (true, _) => ExitCode::from(UNSEEN),
        (false, true) => ExitCode::from(FOUND),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn unseen(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("acta-monitor: {error}");
    ExitCode::from(UNSEEN)
}

fn print(findings: &[Finding], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for finding in findings {
        if json {
            let line = serde_json::to_string(finding).expect("findings are texts, numbers and times");
            // Somebody may look at it in a terminal.
            writeln!(out, "{}", terminal::json(&line))?;
            continue;
        }
        writeln!(out, "{} {}: {}", finding.severity, finding.code, terminal::line(&finding.text))?;
        if let Some(evidence) = &finding.evidence {
            writeln!(out, "    evidence: {}", terminal::line(evidence))?;
        }
    }
    out.flush()
}

fn count(findings: &[Finding]) -> String {
    match findings.len() {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    }
}

/// Shows on a terminal how far it is.
async fn show(progress: &Progress) {
    let mut every = tokio::time::interval(Duration::from_millis(200));
    let watch = Watch::new(progress);
    let style = ProgressStyle::with_template("{bar:30} {msg}").expect("the template is well formed");
    let bar = if io::stderr().is_terminal() { ProgressBar::new(0).with_style(style) } else { ProgressBar::hidden() };
    loop {
        every.tick().await;
        // Short looks show nothing.
        if progress.target() > progress.done() {
            bar.set_length(progress.target());
            bar.set_position(progress.done());
            bar.set_message(watch.state(progress).to_string());
        }
    }
}
