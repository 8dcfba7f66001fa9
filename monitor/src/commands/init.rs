//! `acta-monitor init`

use std::path::Path;
use std::process::ExitCode;

use acta_client::durable;
use anyhow::{Context, bail};
use monitor::config::{ConfigError, LogSection};
use monitor::state_dir::StateDir;
use monitor::store::StoreOptions;

use crate::cli;

pub(crate) fn init(args: &cli::Init) -> anyhow::Result<ExitCode> {
    if args.config.exists() {
        bail!("{} exists already: name another file, or remove it", args.config.display());
    }
    let policy = absolute(&args.policy)?;
    let url = args.log.clone().unwrap_or_default();
    let section = LogSection { policy: policy.clone().into(), url: url.clone(), ..LogSection::default() };
    let logs = section.validate().map_err(ConfigError::from)?;
    drop(StateDir::new(&args.state).open_or_create(StoreOptions::default())?);
    let mut text = format!(
        "# Every key that can stand here is explained in acta-monitor.example.toml.\n\n[monitor]\nstate = {}\n\n[[log]]\npolicy = {}\n",
        quoted(&absolute(&args.state)?),
        quoted(&policy)
    );
    if !url.is_empty() {
        text.push_str(&format!("url = {}\n", quoted(&url)));
    }
    durable::write(&args.config, text.as_bytes()).with_context(|| format!("{} cannot be written", args.config.display()))?;
    for log in logs {
        println!("follows {} at {}", log.origin, log.location);
    }
    println!("run it with: acta-monitor serve --config {}", args.config.display());
    Ok(ExitCode::SUCCESS)
}

/// The path as it is known from everywhere, since a server is rarely started where its configuration was written.
fn absolute(path: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    match absolute.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{} cannot stand in a configuration file, since it is not UTF-8", path.display()),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
