//! `acta-witness`: the program of a witness's operator. See `acta-witness --help`.

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
            eprintln!("acta-witness: {error}"); // each error names its own cause
            ExitCode::from(1)
        }
    }
}
