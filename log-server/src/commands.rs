//! What each command does: library calls, and what is printed of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use decision::types::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use log_server::anchor::OpenAnchorError;
use log_server::config::{Config, File, Flags};
use log_server::data_dir::DataDir;
use log_server::open::{OpenError, claim, look};
use log_server::run::run;
use log_server::store::{Admits, LogId, RocksOptions, RocksStore};
use log_server::tree_head::TreeHeads;
use log_server::{backup, create, export, fsck, gather, open as opening, rebuild, startup};
use ring::rand::{SecureRandom, SystemRandom};
use serving::program::{self, Addresses};
use tlog::checkpoint::Origin;
use tlog::key::{Algorithm, KeyName, SigningKey};

use crate::cli::{self, Command};

pub(crate) fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(args) => init(&args),
        Command::Serve(args) => serve(args),
        Command::Adopt(args) => adopt(&args),
        Command::CheckConfig(args) => check_config(&args),
        Command::Fsck(args) => check(&args),
        Command::Export(args) => write_tree(&args),
        Command::Backup(args) => copy(&args),
        Command::RebuildLedger(args) => rebuild_ledger(&args),
        Command::CtKey(args) => ct_key(&args),
    }
}

fn init(args: &cli::Init) -> anyhow::Result<ExitCode> {
    let origin = Origin::for_new_log(&args.origin)?;
    let key = match &args.key {
        Some(path) => keyfile::load(path)?,
        None => keyfile::generate(KeyName::new(origin.as_str())?, Algorithm::Ed25519)?,
    };
    check_key(&key, &origin)?;
    let mut log_id = [0; 16];
    SystemRandom::new().fill(&mut log_id).map_err(|_| anyhow!("the system gives no random numbers: look at its kernel messages"))?;
    let dir = DataDir::new(&args.dir);
    let founding = founding(args)?;
    let verifier_key = create::create(&dir, &origin, &key, LogId(log_id), &founding, RocksOptions::default())?;
    println!("created the log {origin} in {}", args.dir.display());
    match &founding.registrars {
        Some(by) => println!("its first entry, the charter, names its registrars: {} of {} must sign", by.threshold, by.registrars.len()),
        None => println!("it takes in any bytes that it is sent"),
    }
    println!("its verifier key, for everybody: {verifier_key}");
    println!("its signing key, for nobody else: {}; keep a copy of it apart from backups of the log", dir.key().display());
    println!("run it with: acta-log serve --dir {} --listen 127.0.0.1:8080", args.dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Who registers issuers, and what the log takes in.
fn founding(args: &cli::Init) -> anyhow::Result<create::Founding> {
    let load = |path: &PathBuf| match keyfile::load_verifier_key_at(path)? {
        Some(key) => Ok(key),
        None => Err(anyhow!("there is no file {}: `acta keygen` writes a registrar's verifier key to FILE.vkey", path.display())),
    };
    let keys = args.registrar.iter().map(load).collect::<anyhow::Result<Vec<_>>>()?;
    let registrars = if keys.is_empty() { None } else { Some(create::registrars(&keys, args.threshold)?) };
    let admits = match args.admission {
        cli::Admission::Statements => Admits::Statements,
        cli::Admission::Open => Admits::Open,
    };
    let issued = Timestamp::from_unix(jiff::Timestamp::now().as_second());
    let issued = issued.ok_or_else(|| anyhow!("this machine's clock is thousands of years off: set it first"))?;
    Ok(create::Founding { admits, registrars, issued })
}

fn check_key(key: &SigningKey, origin: &Origin) -> anyhow::Result<()> {
    let verifier_key = key.verifier_key();
    if verifier_key.algorithm() != Algorithm::Ed25519 {
        bail!("a log's key must be an Ed25519 note key: make one with `acta keygen --name {origin} --out FILE`");
    }
    if verifier_key.name().as_str() != origin.as_str() {
        bail!("the key is named {}, and a log's key must be named as the log: {origin}", verifier_key.name());
    }
    Ok(())
}

fn serve(args: cli::Serve) -> anyhow::Result<ExitCode> {
    let flags = Flags { listen: args.listen, ops_listen: args.ops_listen, policy: args.policy };
    let config = load_config(args.config.as_deref(), flags)?;
    config.messages.print()?;
    let dir = DataDir::new(args.dir);
    program::run("acta-log", |shutdown| run(&dir, config, Addresses::announce, shutdown))?;
    Ok(ExitCode::SUCCESS)
}

fn load_config(path: Option<&Path>, flags: Flags) -> anyhow::Result<Config> {
    let file = path.map(File::load).transpose()?.unwrap_or_default();
    Ok(file.validate(flags)?)
}

fn adopt(args: &cli::Adopt) -> anyhow::Result<ExitCode> {
    let dir = DataDir::new(&args.dir);
    let Some(size) = args.at_size else {
        let size = opening::size(&dir, RocksOptions::default())?;
        println!("the log in {} has {size} entries", args.dir.display());
        println!("If this is the newest copy that ever ran: acta-log adopt --dir {} --at-size {size}", args.dir.display());
        println!("If it is an older copy, bring back the newest one: going on from here would publish a second history.");
        return Ok(ExitCode::from(1));
    };
    let head = opening::adopt(&dir, tlog::TreeSize::new(size), RocksOptions::default())?;
    println!("the log in {} goes on from {} entries, root {}", args.dir.display(), head.size(), head.root());
    Ok(ExitCode::SUCCESS)
}

fn check_config(args: &cli::CheckConfig) -> anyhow::Result<ExitCode> {
    let config = load_config(Some(&args.config), Flags::default())?;
    if let Some(files) = &config.http.tls {
        serving::tls::load(files)?;
    }
    if let Some(path) = &config.policy {
        let text = std::fs::read(path).map_err(|error| anyhow!("cannot read the policy file {}: {error}", path.display()))?;
        let policy = tlog::policy::Policy::parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        gather::check_addresses(&policy).map_err(|error| anyhow!("the policy {} cannot be used: {error}", path.display()))?;
        gather::Http::new(&policy, config.witnesses.authorities.as_deref())?;
    }
    println!("{} is in order", args.config.display());
    Ok(ExitCode::SUCCESS)
}

fn check(args: &cli::Fsck) -> anyhow::Result<ExitCode> {
    let dir = DataDir::new(&args.dir);
    let log = look(&dir, RocksOptions::default())?;
    let backup = matches!(log.anchored, Err(OpenAnchorError::Missing)) && !dir.key().exists();
    let (anchored, missing) = match log.anchored {
        Ok(anchored) => (Some(anchored), None),
        Err(_) if backup => (None, None),
        Err(error) => (None, Some(OpenError::Anchor(error))),
    };
    let bar = progress_bar("checking");
    let report = fsck::check(&log.store, &log.key, anchored, &mut |done, total| progress(&bar, done, total));
    bar.finish_and_clear();
    println!("{} entries of {} bytes, and {} published heads, hashed and compared", report.entries, report.bytes, report.heads);
    if report.published < report.entries {
        println!(
            "{} entries at the end are not published yet: they wait for witnesses, or for the next start",
            report.entries - report.published
        );
    }
    for problem in &report.problems {
        println!("PROBLEM: {problem}");
    }
    if let Some(missing) = &missing {
        println!("PROBLEM: {missing}");
    }
    if report.problems.len() >= fsck::MAX_PROBLEMS {
        println!("... and maybe more: stopped after {} problems", fsck::MAX_PROBLEMS);
    }
    if !report.problems.is_empty() || missing.is_some() {
        return Ok(ExitCode::from(1));
    }
    println!("the log is whole{}", if backup { "; it has neither key nor anchor, as a backup should be" } else { "" });
    Ok(ExitCode::SUCCESS)
}

fn write_tree(args: &cli::Export) -> anyhow::Result<ExitCode> {
    let dir = DataDir::new(&args.dir);
    let bar = progress_bar("exporting");
    let mut progress = |done, total| progress(&bar, done, total);
    let exported = if args.without_anchor {
        let log = look(&dir, RocksOptions::default())?;
        let published = startup::last_published(&log.store, &log.key, &log.head)?;
        export::export(&log.store, &log.head, published.as_ref(), &args.out, &mut progress)?
    } else {
        let log = claim(&dir, RocksOptions::default())?;
        export::export(&log.store, &log.head, log.published.as_ref(), &args.out, &mut progress)?
    };
    bar.finish_and_clear();
    println!("{}: {} files written, {} kept from before", args.out.display(), exported.written, exported.kept);
    Ok(ExitCode::SUCCESS)
}

fn copy(args: &cli::Backup) -> anyhow::Result<ExitCode> {
    let dir = DataDir::new(&args.dir);
    let log = claim(&dir, RocksOptions::default())?;
    backup::backup(&dir, &log.store, &args.out)?;
    println!("{}: a copy of {} entries, without signing key and anchor", args.out.display(), log.head.size());
    println!("On the same disk it shares files with the log: move it to another disk before you rely on it.");
    Ok(ExitCode::SUCCESS)
}

fn rebuild_ledger(args: &cli::RebuildLedger) -> anyhow::Result<ExitCode> {
    let dir = DataDir::new(&args.dir);
    let mut log = claim(&dir, RocksOptions::default())?;
    let bar = progress_bar("rebuilding");
    let rebuilt = rebuild::rebuild(&mut log.store, &log.head, &mut |done, total| progress(&bar, done, total))?;
    bar.finish_and_clear();
    println!("the ledger of {} is drawn from {} entries", args.dir.display(), rebuilt.entries);
    for finding in &rebuilt.findings {
        println!("PROBLEM: {finding}");
    }
    if rebuilt.refused > 0 {
        println!(
            "{} entries should not have been admitted; they have no effect. Please report this: it is a defect of acta-log",
            rebuilt.refused
        );
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn progress_bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} entries, {per_sec}, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}

fn progress(bar: &ProgressBar, done: u64, total: u64) {
    bar.set_length(total);
    bar.set_position(done);
}

fn ct_key(args: &cli::CtKey) -> anyhow::Result<ExitCode> {
    let dir = DataDir::new(&args.dir);
    if !RocksStore::is_present(&dir.db()) {
        bail!(OpenError::NoLog(args.dir.clone()));
    }
    let public = TreeHeads::create_key(&dir)?;
    println!("the log in {} will sign heads for /ct/v1/get-sth once `acta-log serve` is started again", args.dir.display());
    println!("its public key for that, for tools of Certificate Transparency: {}", dir.ct_public_key().display());
    println!("its id there (SHA-256 of that key): {}", tlog::Hash::sha256(&public).to_base64());
    Ok(ExitCode::SUCCESS)
}
