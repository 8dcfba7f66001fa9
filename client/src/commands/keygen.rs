//! `acta keygen`.

use std::path::PathBuf;

use acta_client::terminal;
use clap::{Args, ValueEnum};
use serde_json::json;
use tlog::key::{Algorithm, KeyName};

use super::{Exit, Failure, say, say_json};

/// Make a key pair
#[derive(Debug, Args)]
#[command(after_help = "The private key goes to FILE (readable by you alone, never overwritten), the public one, which others put into \
their policies, to FILE.vkey. Keep a copy of FILE in a safe place.\n\nExample:\n  acta keygen --name planning.example/log --out planning.key")]
pub(crate) struct Keygen {
    /// The name that signatures are made under, such as the log's or the witness's address without https://
    #[arg(long)]
    name: String,
    /// Where to write the private key
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the key is for
    #[arg(long, value_enum, default_value_t = Kind::Log)]
    kind: Kind,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Sign notes and checkpoints, with Ed25519
    Log,
    /// Cosign checkpoints as a witness, with Ed25519
    Witness,
    /// Cosign checkpoints as a witness, with ML-DSA-44, which quantum computers do not break
    WitnessMlDsa44,
}

impl Keygen {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let name = KeyName::new(&self.name).map_err(|error| Exit::Usage.because(format!("--name: {error}")))?;
        let algorithm = match self.kind {
            Kind::Log => Algorithm::Ed25519,
            Kind::Witness => Algorithm::CosignatureEd25519,
            Kind::WitnessMlDsa44 => Algorithm::CosignatureMlDsa44,
        };
        let key = keyfile::generate(name, algorithm).map_err(|error| Exit::Usage.because(error))?;
        keyfile::create(&self.out, &key).map_err(|error| Exit::Usage.because(error))?;
        let public = keyfile::verifier_key_path(&self.out);
        let verifier_key = key.verifier_key();
        if self.json {
            return say_json(&json!({
                "key": self.out.display().to_string(),
                "vkey_file": public.display().to_string(),
                "vkey": verifier_key.to_string(),
            }));
        }
        say(format_args!("private key: {} (keep it secret, and keep a copy)", terminal::path(&self.out)))?;
        say(format_args!("public key:  {} (give it to others)", terminal::path(&public)))?;
        say(verifier_key)
    }
}
