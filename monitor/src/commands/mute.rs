//! `acta-monitor mute`, `unmute`, `mutes`, `deliveries` and `requeue`: what people say to a monitor about its alerts, whether it runs or not.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use monitor::alert::{self, Delivery, Mute, MuteDir, NewMute, Requests};
use monitor::state_dir::StateDir;
use monitor::store::{Store, StoreOptions};
use tlog::printable::Printable;

use super::print_lines;
use crate::cli;

/// How many deliveries are listed.
const LISTED: usize = 10_000;

pub(crate) fn mute(args: &cli::Mute) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let until = match (args.duration, args.until) {
        (Some(span), None) => now.checked_add(span.0).context("that is longer than anybody lives; give a shorter time with --for")?,
        (None, Some(until)) => until,
        _ => bail!("say how long with --for, or until when with --until"),
    };
    let (codes, log, group) = (args.codes.clone(), args.log.clone(), args.about.clone());
    let new = NewMute { codes, log, group, up_to: args.up_to, reason: args.reason.clone(), until };
    let mute = MuteDir::of(&state(&args.state)?).add(&new, now)?;
    println!("muted: {mute}");
    println!("take it back with: acta-monitor unmute {} --state {}", mute.id, args.state.display());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn unmute(args: &cli::Unmute) -> anyhow::Result<ExitCode> {
    MuteDir::of(&state(&args.state)?).remove(&args.id)?;
    println!("not muted any more; what is still the case is sent");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn mutes(args: &cli::Mutes) -> anyhow::Result<ExitCode> {
    let (mutes, bad) = MuteDir::of(&state(&args.state)?).read()?;
    let now = Timestamp::now();
    let line = |mute: &Mute| match args.json {
        true => serde_json::to_string(mute).expect("a mute is plain data"),
        false => format!("{mute}{}", if mute.until <= now { " (over)" } else { "" }),
    };
    let nothing = (mutes.is_empty() && !args.json).then(|| "nothing is muted".to_owned());
    print_lines(mutes.iter().map(line).chain(nothing))?;
    bad.iter().for_each(|bad| eprintln!("acta-monitor: {bad}"));
    Ok(if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub(crate) fn deliveries(args: &cli::Deliveries) -> anyhow::Result<ExitCode> {
    let dir = StateDir::new(state(&args.state)?);
    let store = Store::open_to_read(&dir.db(), StoreOptions::default())?;
    let listed = if args.dead { alert::dead(&store, LISTED)? } else { alert::all_waiting(&store, LISTED)? };
    let nothing = if args.dead { "no delivery was given up" } else { "nothing waits to be delivered" };
    let nothing = (listed.is_empty() && !args.json).then(|| nothing.to_owned());
    let line =
        |delivery: &Delivery| if args.json { serde_json::to_string(delivery).expect("a delivery is plain data") } else { line(delivery) };
    print_lines(listed.iter().map(line).chain(nothing))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn requeue(args: &cli::Requeue) -> anyhow::Result<ExitCode> {
    let requests = Requests::of(&state(&args.state)?);
    let failed = || format!("cannot write to {}", args.state.display());
    if args.all {
        let dir = StateDir::new(&args.state);
        let store = Store::open_to_read(&dir.db(), StoreOptions::default())?;
        let dead = alert::dead(&store, LISTED)?;
        for delivery in &dead {
            requests.ask(delivery.id).with_context(failed)?;
        }
        println!("{} deliveries are tried again by the monitor that runs, or is started next", dead.len());
    } else {
        let Some(id) = args.id else { bail!("name a delivery, or --all; `acta-monitor deliveries --dead` lists them") };
        requests.ask(id).with_context(failed)?;
        println!("it is tried again by the monitor that runs, or is started next");
    }
    Ok(ExitCode::SUCCESS)
}

/// A state directory that is one: a mute in another directory would mute nothing.
fn state(dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    if !Store::is_present(&StateDir::new(dir).db()) {
        bail!("{} does not hold the state of a monitor: name the directory that `monitor.state` names", dir.display());
    }
    Ok(dir.to_owned())
}

fn line(delivery: &Delivery) -> String {
    let what = match delivery.notice.said() {
        Some(said) => format!("{} in {} {}", said.alert.code, Printable(&said.alert.log), Printable(&said.alert.group)),
        None => "many alerts".to_owned(),
    };
    let error = delivery.error.as_deref().map(|error| format!(": {}", Printable(error))).unwrap_or_default();
    let Delivery { id, channel, notice, queued, attempts, .. } = delivery;
    format!("{id} {channel} {} {} {what}, since {queued}, {attempts} tries{error}", notice.severity, notice.what.name())
}
