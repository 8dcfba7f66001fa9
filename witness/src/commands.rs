//! What each command does: library calls, and what is printed of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acta_client::location::Location;
use acta_client::source::read_ca_file;
use anyhow::{anyhow, bail};
use futures_util::StreamExt;
use reqwest::Url;
use rustix::process::{Signal, kill_process};
use serving::messages::MessagesSection;
use serving::program::{self, Addresses};
use serving::signals::told_to_stop;
use tlog::key::{KeyName, SigningKey, VerifierKey};
use tlog::policy::Policy;
use tlog::printable::Printable;
use witness::config::{Config, File, Flags};
use witness::create::{self, Kinds};
use witness::data_dir::DataDir;
use witness::follow::{Cosigned, Follower, followed};
use witness::keys::{ALGORITHMS, policy_lines};
use witness::logs::{self, Added, Removed};
use witness::run::{run, sources};
use witness::store::RocksOptions;

use crate::cli::{self, Command};

pub(crate) fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(args) => init(&args),
        Command::Serve(args) => serve(args),
        Command::Logs(cli::Logs::Add(args)) => add_log(&args),
        Command::Logs(cli::Logs::Remove(args)) => remove_log(&args),
        Command::Logs(cli::Logs::List(args)) => list_logs(args),
        Command::Logs(cli::Logs::Reload(args)) => reload(&args),
        Command::Follow(args) => follow(&args),
        Command::CheckConfig(args) => check_config(&args),
    }
}

fn init(args: &cli::Init) -> anyhow::Result<ExitCode> {
    let name = KeyName::new(&args.name)?;
    // SPEC: signed-note §Verifier keys: a name SHOULD be a URL without its scheme. It cannot be changed later.
    if args.name.contains("://") {
        bail!("the name is for ever and no address: write it without https://, such as witness.example/w1, and the address as --url");
    }
    let url = args.url.as_deref().unwrap_or("https://ADDRESS");
    web_address("--url", url)?;
    let dir = DataDir::new(&args.dir);
    // A name that no policy could have would be found out when it is too late to choose another.
    if !fits_a_policy(&name, url) {
        bail!("a policy file has no room for the name {name} with the address {url}: choose others");
    }
    let kinds = if args.ed25519_only { Kinds::Ed25519Only } else { Kinds::Both };
    let keys = create::create(&dir, &name, kinds, RocksOptions::default())?;
    let (lines, quorum) = policy_lines(&name, keys.verifier(), url);
    println!("created the witness {name} in {}", args.dir.display());
    println!("its verifier keys, for everybody, are in {}", dir.verifier_keys().display());
    println!("its signing keys are for nobody else; no copy of this directory may ever run beside it or in its place");
    println!("a policy asks it with these lines, and names it in its quorum or a group as {quorum}:");
    println!();
    print!("{lines}");
    println!();
    println!("follow a log with: acta-witness logs add --dir {} --vkey LOG.vkey", args.dir.display());
    println!("run it with: acta-witness serve --dir {} --listen 127.0.0.1:8081", args.dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Whether a policy can name a witness so, whatever its keys are.
fn fits_a_policy(name: &KeyName, url: &str) -> bool {
    let keys = ALGORITHMS.map(|algorithm| SigningKey::from_seed(name.clone(), algorithm, &[1; 32]));
    let keys: Vec<VerifierKey> = keys.iter().flatten().map(|key| key.verifier_key().clone()).collect();
    let (lines, quorum) = policy_lines(name, &keys, url);
    keys.len() == ALGORITHMS.len() && Policy::parse(format!("{lines}quorum {quorum}\n").as_bytes()).is_ok()
}

fn serve(args: cli::Serve) -> anyhow::Result<ExitCode> {
    let flags = Flags { listen: args.listen, ops_listen: args.ops_listen, policies: args.policy, bastion: args.bastion };
    let config = load_config(args.config.as_deref(), flags)?;
    config.messages.print()?;
    let dir = DataDir::new(args.dir);
    program::run("acta-witness", |shutdown| run(&dir, config, Addresses::announce, shutdown))?;
    Ok(ExitCode::SUCCESS)
}

fn load_config(path: Option<&Path>, flags: Flags) -> anyhow::Result<Config> {
    let file = path.map(File::load).transpose()?.unwrap_or_default();
    Ok(file.validate(flags)?)
}

fn add_log(args: &cli::AddLog) -> anyhow::Result<ExitCode> {
    let dir = existing(&args.dir)?;
    let key = verifier_key(&args.vkey)?;
    if let Some(url) = &args.url {
        web_address("--url", url)?;
    }
    match logs::add(&dir.logs(), key.clone(), args.url.as_deref())? {
        Added::New(path) => println!("{} is in {}", key.name(), path.display()),
        Added::Known(path) => println!("{} was in {} with this key already", key.name(), path.display()),
    }
    tell(&dir)
}

fn remove_log(args: &cli::RemoveLog) -> anyhow::Result<ExitCode> {
    let dir = existing(&args.dir)?;
    let Removed(paths) = logs::remove(&dir.logs(), &args.origin)?;
    for path in paths {
        println!("removed {}", path.display());
    }
    tell(&dir)
}

fn list_logs(args: cli::ListLogs) -> anyhow::Result<ExitCode> {
    let dir = existing(&args.dir)?;
    let config = load_config(args.config.as_deref(), Flags { policies: args.policy, ..Flags::default() })?;
    for file in logs::read(&sources(&dir, &config))? {
        for log in file.policy.logs() {
            println!("{}\t{}\t{}", log.key(), log.url().unwrap_or("-"), file.path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn reload(args: &cli::Reload) -> anyhow::Result<ExitCode> {
    tell(&existing(&args.dir)?)
}

/// Lets the witness that runs in `dir`, if one does, read its policy files again.
fn tell(dir: &DataDir) -> anyhow::Result<ExitCode> {
    match dir.holder().map_err(|error| anyhow!("cannot see whether the witness is running: {error}"))? {
        None => println!("no witness is running in {}; the next one reads its policy files when it starts", dir.root().display()),
        Some(process) => {
            kill_process(process, Signal::HUP).map_err(|error| anyhow!("cannot tell the running witness to reload: {error}"))?;
            println!("the running witness was told to read its policy files again; its messages say what came of it");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn existing(dir: &Path) -> anyhow::Result<DataDir> {
    let dir = DataDir::new(dir);
    if !dir.verifier_keys().exists() {
        bail!("{} does not hold a witness: create one with `acta-witness init`, or name the right directory", dir.root().display());
    }
    Ok(dir)
}

/// A verifier key as it is, or in a file.
fn verifier_key(given: &str) -> anyhow::Result<VerifierKey> {
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let path = PathBuf::from(given);
    match keyfile::load_verifier_key_at(&path)? {
        Some(key) => Ok(key),
        None => bail!("{given} is neither a verifier key nor a file that holds one"),
    }
}

/// An address that can be asked over HTTP. In a policy a wrong one would be found out only later, and by somebody else.
fn web_address(flag: &str, given: &str) -> anyhow::Result<Url> {
    match given.parse() {
        Ok(Location::Remote(url)) => Ok(url),
        _ => bail!(
            "{flag} {given} is no web address: write one such as https://log.example/prefix or http://127.0.0.1:8081, without ? and #"
        ),
    }
}

/// How many logs are read from at a time.
const LOGS_AT_ONCE: usize = 8;

fn follow(args: &cli::Follow) -> anyhow::Result<ExitCode> {
    MessagesSection::default().print()?;
    let witness = web_address("--witness", &args.witness)?;
    let authorities = args.ca_file.as_deref().map(read_ca_file).transpose()?.unwrap_or_default();
    let follower = Follower::new(&witness, authorities)?;
    if args.interval.0.is_zero() {
        bail!("an interval of 0 would never let the logs rest; write at least 1s");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| anyhow!("cannot start: {error}"))?;
    runtime.block_on(async {
        let mut stop = Box::pin(told_to_stop("acta-witness").map_err(|error| anyhow!("cannot wait for signals: {error}"))?);
        let mut rounds = tokio::time::interval(args.interval.0);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                () = &mut stop => return Ok(ExitCode::SUCCESS),
            }
            let all = tokio::select! {
                all = follow_all(&follower, &args.policy) => all,
                () = &mut stop => return Ok(ExitCode::SUCCESS),
            };
            match all {
                Ok(all) if args.once => return Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) }),
                Ok(_) => {}
                Err(error) if args.once => return Err(error),
                // The files are read again for the next round.
                Err(error) => tracing::error!("{error}"),
            }
        }
    })
}

/// One round. Gives whether all logs were cosigned.
async fn follow_all(follower: &Follower, sources: &[PathBuf]) -> anyhow::Result<bool> {
    let logs = followed(sources)?;
    if logs.is_empty() {
        bail!("the policy files list no log with an address: write it behind the log's key");
    }
    let followed = futures_util::stream::iter(&logs).map(async |log| {
        let origin = Printable(&log.origin);
        match follower.follow(log).await {
            Ok(Cosigned { from, to }) => tracing::info!("{origin} is cosigned at size {to}, after {from}"),
            Err(error) => {
                tracing::warn!("{origin} is not cosigned: {error}");
                return false;
            }
        }
        true
    });
    // Each has its turn, whatever came of the others.
    Ok(followed.buffer_unordered(LOGS_AT_ONCE).fold(true, async |all, good| all && good).await)
}

fn check_config(args: &cli::CheckConfig) -> anyhow::Result<ExitCode> {
    let config = load_config(Some(&args.config), Flags::default())?;
    if let Some(files) = &config.http.tls {
        serving::tls::load(files)?;
    }
    logs::read(&config.policies)?;
    println!("{} is in order", args.config.display());
    Ok(ExitCode::SUCCESS)
}
