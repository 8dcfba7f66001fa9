//! `acta issuer`: who may issue what.

use std::path::PathBuf;

use acta_client::registrar::{self, IssuerText};
use clap::{Args, Subcommand};
use decision::statement::Statement;
use decision::types::{Body, IssuerId, Registration, Vkey};
use tlog::key::SigningKey;
use tlog::proof::{MAX_PROOF_FILE, Proof};

use super::statement::{Passing, key_beside, load_keys, load_vkey};
use super::{Exit, Failure, read_file, wrong_file};

/// Register the issuers of a log, and retire them
#[derive(Debug, Args)]
#[command(after_help = "Signed by the log's registrars, as many as their threshold says, and by each key that is added.\n\nExamples:\n  \
acta issuer register --registrar-key registrar.key --issuer planning.example --key planning.key.vkey --kinds 'planning.*' \
--name en='Planning Authority' --log https://log.example --policy policy --receipt planning.tlog-proof\n  \
acta issuer retire --registrar-key registrar.key --registration planning.tlog-proof --log https://log.example --policy policy")]
pub(crate) struct IssuerCommand {
    #[command(subcommand)]
    command: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    Register(Box<Register>),
    Retire(Box<Retire>),
}

/// Register an issuer, or say anew what is registered of it
#[derive(Debug, Args)]
#[command(
    after_help = "Each new key must sign too, to show that somebody has it. If its private half is beside it (FILE for FILE.vkey) or is \
given with --issuer-key, that is done here; else the statement is written to a file for its holder to sign, and not published.\n\nFor an issuer \
that is registered already, all but its keys is replaced by what is given here; keys are added to those that it has.\n\nExample:\n  \
acta issuer register --registrar-key registrar.key --issuer planning.example --key planning.key.vkey --kinds 'planning.*' \
--name en='Planning Authority' --log https://log.example --policy policy --receipt planning.tlog-proof"
)]
struct Register {
    /// Private keys of registrars to sign with
    #[arg(long = "registrar-key", value_name = "FILE", num_args = 1.., required_unless_present = "out")]
    registrar_keys: Vec<PathBuf>,
    /// Who is registered: named like a web address without https://, as its keys are
    #[arg(long, value_name = "ID")]
    issuer: IssuerId,
    /// The issuer's new keys, by the files with their public halves
    #[arg(long = "key", value_name = "VKEY_FILE", num_args = 1..)]
    keys: Vec<PathBuf>,
    /// What it may issue: a kind such as planning.permit, a group such as planning.*, or * for all
    #[arg(long, value_name = "PATTERN", num_args = 1.., required = true)]
    kinds: Vec<String>,
    /// What people call it, by language, such as en="Planning Authority" [default: its ID]
    #[arg(long = "name", value_name = "LANG=TEXT", num_args = 1..)]
    names: Vec<String>,
    /// Whose decisions it may correct, supersede or revoke, for courts and superiors; * stands for every issuer
    #[arg(long, value_name = "ISSUER:PATTERN", num_args = 1..)]
    may_overrule: Vec<String>,
    /// When it publishes, such as 'mon-fri 09:00-17:30 Europe/London'
    #[arg(long)]
    hours: Option<String>,
    /// The series that it will use
    #[arg(long = "announces-series", value_name = "NAME[=TITLE]", num_args = 1..)]
    series: Vec<String>,
    /// How people reach it
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// The private halves of the new keys, where they are not beside the public ones
    #[arg(long = "issuer-key", value_name = "FILE", num_args = 1..)]
    issuer_keys: Vec<PathBuf>,
    #[command(flatten)]
    passing: Passing,
}

/// End an issuer: it issues nothing any more, and what it issued stands
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  acta issuer retire --registrar-key registrar.key --registration planning.tlog-proof --log https://log.example \
--policy policy"
)]
struct Retire {
    /// Private keys of registrars to sign with
    #[arg(long = "registrar-key", value_name = "FILE", num_args = 1.., required_unless_present = "out")]
    registrar_keys: Vec<PathBuf>,
    /// The receipt of its latest registration, or the statement itself: its names and the rest stay as they are there
    #[arg(long, value_name = "FILE")]
    registration: PathBuf,
    #[command(flatten)]
    passing: Passing,
}

impl IssuerCommand {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Step::Register(step) => step.run().await,
            Step::Retire(step) => step.run().await,
        }
    }
}

impl Register {
    async fn run(&self) -> Result<(), Failure> {
        let keys = self.keys.iter().map(|path| load_vkey(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some(key) = keys.iter().find(|key| !key.is_named_for(&self.issuer)) {
            let (key, issuer) = (tlog::printable::Printable(key.name()), &self.issuer);
            return Err(Exit::Usage.because(format!(
                "--key: the key is named {key}, and one of {issuer} must be named {issuer} or {issuer}/ and something more: make one with \
                 `acta keygen --name {issuer}`"
            )));
        }
        let text = IssuerText {
            kinds: self.kinds.clone(),
            names: self.names.clone(),
            may_overrule: self.may_overrule.clone(),
            hours: self.hours.clone(),
            series: self.series.clone(),
            contact: self.contact.clone(),
        };
        let draft = registrar::register(&self.passing.log()?, self.passing.issued(), self.issuer.clone(), keys.clone(), &text)?;
        let mut signing = load_keys(&self.registrar_keys)?;
        signing.extend(self.private_halves(&keys)?);
        self.passing.finish(draft, &signing, self.issuer.as_str()).await
    }

    /// What there is of the private halves of the new keys.
    fn private_halves(&self, keys: &[Vkey]) -> Result<Vec<SigningKey>, Failure> {
        let mut halves = load_keys(&self.issuer_keys)?;
        for (half, path) in halves.iter().zip(&self.issuer_keys) {
            if !keys.contains(&Vkey::from(half.verifier_key())) {
                return Err(wrong_file(path, "this key is none of those that --key adds, so its signature is not needed"));
            }
        }
        for path in &self.keys {
            halves.extend(key_beside(path)?);
        }
        Ok(halves)
    }
}

impl Retire {
    async fn run(&self) -> Result<(), Failure> {
        let registration = self.registration()?;
        let log = self.passing.log()?;
        if registration.log.as_str() != log {
            return Err(wrong_file(&self.registration, "this registration is in another log than the policy is for"));
        }
        let draft = registrar::retire(&registration, self.passing.issued())?;
        let what = format!("{}-retired", registration.issuer);
        self.passing.finish(draft, &load_keys(&self.registrar_keys)?, &what).await
    }

    /// From a receipt, or from the statement itself. That it is the latest one is the registrars' to know, who sign what they are shown.
    fn registration(&self) -> Result<Registration, Failure> {
        let bytes = read_file(&self.registration, MAX_PROOF_FILE)?;
        let entry = Proof::parse(&bytes).ok().and_then(|receipt| receipt.extra().map(<[u8]>::to_vec)).unwrap_or(bytes);
        let statement = Statement::parse(&entry).map_err(|error| wrong_file(&self.registration, error))?;
        match statement.body() {
            Body::Registration(registration) => Ok(registration.clone()),
            other => {
                Err(wrong_file(&self.registration, format_args!("this is a statement of type {}, not a registration", other.type_name())))
            }
        }
    }
}
