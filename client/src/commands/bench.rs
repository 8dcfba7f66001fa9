//! `acta bench`.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acta_client::bench::{BenchError, Mode, Plan, Progress, Report, run};
use acta_client::location::Location;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, Failure, say, say_json, show};

/// Put load on a log and measure how it bears it
#[derive(Debug, Args)]
#[command(
    after_help = "Without --rate each connection sends its next request when the last one was answered (closed loop): this finds the \
most that the log can do. With --rate requests go out at fixed times (open loop), and the latency of each counts from when it was due, \
also if it had to wait for a connection.\n\nThe modes that add leave what they add in the log, for good: do not point them at a log that \
anybody needs.\n\nExamples:\n  acta bench --log http://127.0.0.1:8080 --mode add --connections 256 --seconds 60\n  \
acta bench --log http://127.0.0.1:8080 --mode add --connections 256 --seconds 60 --rate 10000 --json\n  \
acta bench --null --mode add --connections 256 --seconds 10"
)]
pub(crate) struct Bench {
    /// The log's address, http only
    #[arg(long, value_name = "URL", env = "ACTA_LOG", hide_env_values = true, required_unless_present = "null")]
    log: Option<Location>,
    /// Measure this program itself, against a server within it that reads requests and does nothing
    #[arg(long)]
    null: bool,
    /// What to ask of the log
    #[arg(long, value_enum, default_value_t = Mode::Add)]
    mode: Mode,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// How long to put load on the log before measuring
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Bytes of each entry
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(8..))]
    entry_bytes: u16,
    /// Entries in a request, with --mode add-batch
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// How many of a hundred entries have been sent before
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    duplicates: u8,
    /// Requests a second, sent when they are due [default: as fast as answers come]
    #[arg(long, value_name = "R")]
    rate: Option<NonZeroU32>,
    /// Makes the same entries again; adding them to a log that has them makes all of them duplicates [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads of this program; its connections are divided among them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// The server's process, on this machine: measure its processor time and memory too
    #[arg(long, value_name = "PID", conflicts_with = "null")]
    server_pid: Option<u32>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let plan = self.plan()?;
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:30} {msg}").expect("the template is valid"));
        let shown = bar.clone();
        // The generator has threads of its own and blocks the one that it is called on.
        let measured =
            tokio::task::spawn_blocking(move || run(&plan, progress(&shown))).await.expect("not cancelled, and it does not panic");
        bar.finish_and_clear();
        let report = measured?;
        if self.json {
            say_json(&serde_json::to_value(&report).expect("a report is plain data"))?;
        } else {
            say(report.to_string().trim_end())?;
        }
        match report {
            report if report.is_contradictory() => Err(Exit::Refused.told()),
            Report { good: 0, .. } => Err(Exit::Unavailable.told()),
            _ => Ok(()),
        }
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let log = match &self.log {
            _ if self.null => None,
            Some(Location::Remote(url)) => Some(url.clone()),
            _ => return Err(Exit::Usage.because("load is put on a running log; give its address with --log http://HOST:PORT")),
        };
        let nonzero = |number| NonZeroU16::new(number).expect("the option's range begins with 1");
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(Plan {
            log,
            mode: self.mode,
            connections: nonzero(self.connections),
            threads: nonzero(self.threads.min(self.connections)),
            warm_up: self.warm_up,
            duration: self.seconds,
            entry_bytes: self.entry_bytes,
            batch: nonzero(self.batch),
            duplicates_percent: self.duplicates,
            rate: self.rate,
            seed: self.seed.unwrap_or_else(|| u64::try_from(now() & u128::from(u64::MAX)).expect("64 bits are left")),
            server_pid: self.server_pid,
        })
    }
}

/// A line on standard error, if that is a terminal.
fn progress(bar: &ProgressBar) -> impl FnMut(Progress) {
    let (mut last, mut entries) = (Duration::ZERO, 0);
    move |progress: Progress| {
        let passed = (progress.elapsed - last).as_millis().max(1);
        let rate = u128::from(progress.entries - entries) * 1000 / passed;
        (last, entries) = (progress.elapsed, progress.entries);
        bar.set_length(u64::try_from(progress.whole.as_millis()).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX));
        let left = (progress.whole - progress.elapsed).as_secs();
        let rate = show::grouped(u64::try_from(rate).unwrap_or(u64::MAX));
        bar.set_message(format!("{} done, {rate}/s, {left} s left", show::grouped(entries)));
    }
}

/// A number of seconds, a fraction if need be.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    const WRONG: &str = "give a number of seconds, at most a week";
    let seconds: f64 = text.parse().map_err(|_| WRONG)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|length| *length <= Duration::from_secs(7 * 24 * 3600)).ok_or(WRONG)
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let exit = match &error {
            BenchError::Resolve(_) | BenchError::Checkpoint | BenchError::Connect(_) => Exit::Unavailable,
            _ => Exit::Usage,
        };
        exit.because(error)
    }
}
