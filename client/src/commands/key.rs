//! `acta key`: the keys that issuers sign with.

use std::path::PathBuf;

use acta_client::registrar;
use clap::{ArgGroup, Args, Subcommand};
use decision::types::{IssuerId, KeyAction, Vkey};

use super::statement::{Passing, key_beside, load_keys, load_vkey};
use super::{Exit, Failure};

/// Add and retire the keys that an issuer signs with
#[derive(Debug, Args)]
#[command(
    after_help = "Signed by a key of the issuer, or by the log's registrars. A key can retire only itself; registrars retire any, and can say \
from when on they doubt what it signed.\n\nExamples:\n  acta key add --issuer planning.example --issuer-key planning.key --key new.key.vkey \
--log https://log.example --policy policy\n  acta key retire --issuer planning.example --issuer-key planning.key --log https://log.example \
--policy policy\n  acta key retire --issuer planning.example --registrar-key one.key two.key --key planning.key.vkey --doubt-from 4711 \
--log https://log.example --policy policy"
)]
pub(crate) struct KeyCommand {
    #[command(subcommand)]
    command: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    Add(Add),
    Retire(Retire),
}

/// Who signs: the issuer or the registrars.
#[derive(Debug, Args)]
struct Signers {
    /// The issuer
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// A private key of the issuer that is in force, to sign with
    #[arg(long, value_name = "FILE")]
    issuer_key: Option<PathBuf>,
    /// Private keys of registrars to sign with instead
    #[arg(long = "registrar-key", value_name = "FILE", num_args = 1..)]
    registrar_keys: Vec<PathBuf>,
}

/// Add a key: it may sign from the next entry on
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("by").args(["issuer_key", "registrar_keys", "out"]).required(true).multiple(true),
    after_help = "The new key must sign too, to show that somebody has it. If its private half is beside it (FILE for FILE.vkey), that is done \
here; else the statement is written to a file for its holder to sign, and not published.\n\nExample:\n  acta key add --issuer planning.example \
--issuer-key planning.key --key new.key.vkey --log https://log.example --policy policy"
)]
struct Add {
    #[command(flatten)]
    signers: Signers,
    /// The new key, by the file with its public half
    #[arg(long, value_name = "VKEY_FILE")]
    key: PathBuf,
    #[command(flatten)]
    passing: Passing,
}

/// Retire a key: it signs nothing from the next entry on; what it signed stands
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("by").args(["issuer_key", "registrar_keys", "out"]).required(true).multiple(true),
    after_help = "Examples:\n  acta key retire --issuer planning.example --issuer-key planning.key --log https://log.example --policy policy\n  \
acta key retire --issuer planning.example --registrar-key one.key two.key --key planning.key.vkey --doubt-from 4711 --log https://log.example \
--policy policy"
)]
struct Retire {
    #[command(flatten)]
    signers: Signers,
    /// The key, by the file with its public half [default: the one that signs with --issuer-key]
    #[arg(long, value_name = "VKEY_FILE", required_unless_present = "issuer_key")]
    key: Option<PathBuf>,
    /// The index of the first entry from which on the registrars doubt what this key signed
    #[arg(long, value_name = "INDEX", conflicts_with = "issuer_key")]
    doubt_from: Option<u64>,
    #[command(flatten)]
    passing: Passing,
}

impl KeyCommand {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Step::Add(step) => step.run().await,
            Step::Retire(step) => step.run().await,
        }
    }
}

impl Signers {
    fn keys(&self) -> Result<Vec<tlog::key::SigningKey>, Failure> {
        if self.issuer_key.is_some() && !self.registrar_keys.is_empty() {
            return Err(Exit::Usage.because("the issuer signs with --issuer-key, or the registrars with --registrar-key, and not both"));
        }
        let mut keys = load_keys(&self.registrar_keys)?;
        keys.extend(load_keys(self.issuer_key.as_slice())?);
        Ok(keys)
    }
}

impl Add {
    async fn run(&self) -> Result<(), Failure> {
        let key = load_vkey(&self.key)?;
        let mut signing = self.signers.keys()?;
        signing.extend(key_beside(&self.key)?);
        let issuer = self.signers.issuer.clone();
        let what = format!("{issuer}-key");
        let draft = registrar::change_key(&self.passing.log()?, self.passing.issued(), issuer, KeyAction::Add, key, None)?;
        self.passing.finish(draft, &signing, &what).await
    }
}

impl Retire {
    async fn run(&self) -> Result<(), Failure> {
        let signing = self.signers.keys()?;
        let own = if self.signers.issuer_key.is_some() { signing.first().map(|key| Vkey::from(key.verifier_key())) } else { None };
        let named = self.key.as_deref().map(load_vkey).transpose()?;
        let key = match (named, own) {
            (Some(named), Some(own)) if named != own => {
                return Err(Exit::Usage.because(
                    "a key can retire only itself: sign with the private half of the key in --key, or let the registrars retire it",
                ));
            }
            (Some(key), _) | (None, Some(key)) => key,
            (None, None) => return Err(Exit::Usage.because("which key is retired? Give its .vkey file with --key")),
        };
        let issuer = self.signers.issuer.clone();
        let what = format!("{issuer}-key-retired");
        let draft = registrar::change_key(&self.passing.log()?, self.passing.issued(), issuer, KeyAction::Retire, key, self.doubt_from)?;
        self.passing.finish(draft, &signing, &what).await
    }
}
