//! `acta`: publishes to, reads and checks logs of public decisions.
//!
//! This file starts the runtime and turns the end of a command into an exit status; see [`commands`] for what they are.

use std::process::ExitCode;

use clap::Parser;

mod commands;

fn main() -> ExitCode {
    // Before anything can open a connection: rustls asks the process for its provider, and there is to be no other than this one.
    rustls::crypto::ring::default_provider().install_default().expect("nothing was installed before");
    let cli = commands::Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("ACTA_TRACE").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            commands::warn(format_args!("the system gives no threads or timers: {error}"));
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(error) = &failure.error {
                commands::warn(error);
            }
            failure.exit.into()
        }
    }
}
