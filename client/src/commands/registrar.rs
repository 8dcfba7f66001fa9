//! `acta registrar`: who decides about a log's issuers.

use std::path::PathBuf;

use acta_client::registrar;
use clap::{Args, Subcommand};

use super::Failure;
use super::statement::{Passing, load_keys, load_vkey};

/// Replace the registrars of a log
#[derive(Debug, Args)]
#[command(
    after_help = "Registrars decide who may issue what in a log. They are named when it is created, and replace themselves.\n\nExample:\n  \
acta registrar replace --registrar-key one.key two.key --registrar one.vkey three.vkey --threshold 2 --log https://log.example --policy policy"
)]
pub(crate) struct RegistrarCommand {
    #[command(subcommand)]
    command: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    Replace(Replace),
}

/// Name the registrars anew, or how many of them it takes
#[derive(Debug, Args)]
#[command(after_help = "As many of the present registrars must sign as their threshold says. From the next entry on the new ones decide, \
and those that are not named again have no say any more.\n\nExample:\n  acta registrar replace --registrar-key one.key two.key \
--registrar one.vkey three.vkey --threshold 2 --log https://log.example --policy policy")]
struct Replace {
    /// Private keys of present registrars to sign with
    #[arg(long = "registrar-key", value_name = "FILE", num_args = 1.., required_unless_present = "out")]
    registrar_keys: Vec<PathBuf>,
    /// The verifier keys of all who will be registrars
    #[arg(long = "registrar", value_name = "VKEY_FILE", num_args = 1.., required = true)]
    registrars: Vec<PathBuf>,
    /// How many of them must sign together
    #[arg(long, value_name = "K")]
    threshold: u16,
    #[command(flatten)]
    passing: Passing,
}

impl RegistrarCommand {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Step::Replace(step) => step.run().await,
        }
    }
}

impl Replace {
    async fn run(&self) -> Result<(), Failure> {
        let registrars = self.registrars.iter().map(|path| load_vkey(path)).collect::<Result<_, _>>()?;
        let draft = registrar::replace_registrars(&self.passing.log()?, self.passing.issued(), registrars, self.threshold)?;
        self.passing.finish(draft, &load_keys(&self.registrar_keys)?, "registrars").await
    }
}
