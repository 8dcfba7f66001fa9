//! `acta completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, stdout};

/// Print a script that completes acta's commands in a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  acta completions bash > ~/.local/share/bash-completion/completions/acta")]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "acta", &mut script);
        stdout(&script)
    }
}
