//! `acta-monitor`: the program of those who watch. See `acta-monitor --help`.

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing installs a TLS provider before main");
    }
    match commands::execute(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("acta-monitor: {error}"); // each error names its own cause
            ExitCode::from(commands::exit_code(&error))
        }
    }
}
