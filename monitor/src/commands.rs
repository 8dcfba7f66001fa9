//! What each command does: library calls, and what is printed of them.

mod audit_receipt;
mod check;
mod codes;
mod export;
mod init;
mod mute;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use monitor::config::{Config, ConfigError, File, LogSection};
use monitor::replay::Replayed;
use monitor::run::run;
use serving::program::{self, Addresses};

use crate::cli::{self, Command};

pub(crate) fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(args) => init::init(&args),
        Command::Serve(args) => serve(&args),
        Command::CheckConfig(args) => check_config(&args),
        Command::Check(args) => check::check(&args),
        Command::Replay(args) => replay(&args),
        Command::AuditReceipt(args) => audit_receipt::audit_receipt(&args),
        Command::Codes(args) => codes::codes(&args),
        Command::Mute(args) => mute::mute(&args),
        Command::Unmute(args) => mute::unmute(&args),
        Command::Mutes(args) => mute::mutes(&args),
        Command::Deliveries(args) => mute::deliveries(&args),
        Command::Requeue(args) => mute::requeue(&args),
        Command::Export(args) => export::export(&args),
    }
}

/// The exit code that an error means.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() { 2 } else { 1 }
}

fn serve(args: &cli::Serve) -> anyhow::Result<ExitCode> {
    let mut file = File::load(&args.config)?;
    if let Some(listen) = args.listen {
        file.http.listen = listen;
    }
    if let Some(listen) = args.ops_listen {
        file.ops.listen = listen.to_string();
    }
    let config = file.validate()?;
    config.messages.print()?;
    program::run("acta-monitor", |shutdown| run(config, Addresses::announce, shutdown))?;
    Ok(ExitCode::SUCCESS)
}

/// What could not be written because its reader has gone, such as `head`: that one has seen enough.
fn seen_enough(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints a list, as far as somebody reads it.
fn print_lines(lines: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    seen_enough(lines.into_iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush()))
}

fn load_config(path: &Path) -> Result<Config, ConfigError> {
    File::load(path)?.validate()
}

/// The configuration that flags make, alone or on top of a file.
fn config(args: &cli::Watched) -> Result<Config, ConfigError> {
    let mut file = args.config.as_deref().map(File::load).transpose()?.unwrap_or_default();
    if let Some(policy) = &args.policy {
        file.log = vec![LogSection { policy: policy.clone(), url: args.log.clone().unwrap_or_default(), ..LogSection::default() }];
    }
    if let Some(state) = &args.state {
        file.monitor.state.clone_from(state);
    }
    if let Some(ca_file) = &args.ca_file {
        file.monitor.ca_file.clone_from(ca_file);
    }
    file.validate()
}

fn check_config(args: &cli::CheckConfig) -> anyhow::Result<ExitCode> {
    let config = load_config(&args.config)?;
    if let Some(files) = &config.http.tls {
        serving::tls::load(files)?;
    }
    println!("{} is in order", args.config.display());
    Ok(ExitCode::SUCCESS)
}

fn replay(args: &cli::Replay) -> anyhow::Result<ExitCode> {
    let config = load_config(&args.config)?;
    config.messages.print()?;
    for log in monitor::replay::replay(&config)? {
        let Replayed { log, entries, opened, resolved } = log;
        println!("{}: {entries} entries judged anew, {opened} new findings, {resolved} resolved", acta_client::terminal::line(&log));
    }
    Ok(ExitCode::SUCCESS)
}
