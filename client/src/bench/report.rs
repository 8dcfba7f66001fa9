//! What a run found, for people and for scripts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::acknowledged::Honesty;
use super::process::Usage;
use super::worker::Tally;
use super::{Mode, Plan};

/// Above this share of its threads' time the generator itself is what limits the figures.
const SATURATED: f64 = 0.9;

/// Open loop: above this share of late requests the rate was not kept.
const TOO_MANY_LATE: f64 = 0.01;

/// What a run found. All counts are of requests that were due within the measured time.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was asked.
    pub mode: Mode,
    /// Of whom: a URL, or `null` for the server that does nothing.
    pub log: Option<String>,
    /// Connections at once.
    pub connections: u16,
    /// Threads of the generator.
    pub threads: u16,
    /// Bytes of an entry.
    pub entry_bytes: u16,
    /// Entries in a request of [`Mode::AddBatch`].
    pub batch: u16,
    /// Share of entries that had been sent before.
    pub duplicates_percent: u8,
    /// What makes the same entries again.
    pub seed: u64,
    /// From the first request that counts to the last answer that does.
    pub seconds: f64,
    /// Requests begun.
    pub requests: u64,
    /// Requests that brought what was asked for.
    pub good: u64,
    /// Entries acknowledged, or things read.
    pub entries: u64,
    /// Good requests a second.
    pub requests_per_second: f64,
    /// Entries acknowledged, or things read, a second.
    pub entries_per_second: f64,
    /// Requests answered 503: the log had no room for them.
    pub overloaded: u64,
    /// Entries of batches for which it had no room.
    pub refused_entries: u64,
    /// All other failures, by what they were.
    pub errors: BTreeMap<String, u64>,
    /// Connections that had to be opened again.
    pub reconnects: u64,
    /// Time to a good answer; in the open loop from when the request was due.
    pub latency: Latency,
    /// How the rate was kept, in an open loop.
    pub open_loop: Option<OpenLoop>,
    /// What the generator used.
    pub generator: GeneratorUse,
    /// What the server used, if it was told which process that is.
    pub server: Option<ServerUse>,
    /// Whether the acknowledgements contradict each other; nothing against the null server.
    pub honesty: Option<Honesty>,
}

/// Microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// The mean.
    pub mean_us: f64,
    /// Half of all were faster.
    pub p50_us: f64,
    /// 99 of 100 were faster.
    pub p99_us: f64,
    /// 999 of 1,000 were faster.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
}

/// How a rate was kept.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct OpenLoop {
    /// Requests a second that were asked for.
    pub rate: u32,
    /// Requests sent more than a millisecond after they were due.
    pub late: u64,
    /// Requests that were due and never sent. The latencies count each as slow as the end of the run allows to say.
    pub unsent: u64,
    /// Whether nearly all went out in time. If not, the rate is not the one asked for.
    pub kept_up: bool,
}

/// What the generator used.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct GeneratorUse {
    /// Processor time of its threads.
    pub cpu_seconds: f64,
    /// The same for each good request, in microseconds.
    pub cpu_us_per_request: f64,
    /// The part of its threads' time in which they were busy. Near 1, the generator is the limit.
    pub busy: f64,
}

/// What the server's process used.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct ServerUse {
    /// Processor time of all its threads.
    pub cpu_seconds: f64,
    /// The same for each good request, in microseconds.
    pub cpu_us_per_request: f64,
    /// The same for each entry, in microseconds.
    pub cpu_us_per_entry: f64,
    /// Memory at the end; not known of the null server.
    pub resident_bytes: Option<u64>,
    /// Memory at its largest, since the process began.
    pub peak_resident_bytes: Option<u64>,
    /// Bytes that it had written to disks.
    pub written_bytes: Option<u64>,
}

impl ServerUse {
    pub(crate) fn between(before: &Usage, after: &Usage, tally: &Tally) -> Self {
        let cpu = after.cpu.saturating_sub(before.cpu);
        ServerUse {
            resident_bytes: Some(after.resident_bytes),
            peak_resident_bytes: Some(after.peak_resident_bytes),
            written_bytes: after.written_bytes.zip(before.written_bytes).and_then(|(after, before)| after.checked_sub(before)),
            ..ServerUse::of_cpu(cpu, tally)
        }
    }

    pub(crate) fn of_cpu(cpu: Duration, tally: &Tally) -> Self {
        ServerUse {
            cpu_seconds: cpu.as_secs_f64(),
            cpu_us_per_request: micros_each(cpu, tally.good),
            cpu_us_per_entry: micros_each(cpu, tally.done),
            resident_bytes: None,
            peak_resident_bytes: None,
            written_bytes: None,
        }
    }
}

impl Latency {
    fn new(nanos: &Histogram<u64>) -> Self {
        let at = |percentile| float(nanos.value_at_percentile(percentile)) / 1e3;
        Latency { mean_us: nanos.mean() / 1e3, p50_us: at(50.0), p99_us: at(99.0), p999_us: at(99.9), max_us: float(nanos.max()) / 1e3 }
    }
}

impl Report {
    pub(crate) fn new(plan: &Plan, elapsed: Duration, tally: Tally, server: Option<ServerUse>) -> Self {
        let seconds = elapsed.as_secs_f64();
        let each_second = |count| if seconds > 0.0 { float(count) / seconds } else { 0.0 };
        let busy = tally.cpu.as_secs_f64() / (seconds * f64::from(plan.threads.get()));
        let late_share = float(tally.late) / float(tally.sent.max(1));
        Report {
            mode: plan.mode,
            log: plan.log.as_ref().map(|url| url.as_str().to_owned()),
            connections: plan.connections.get(),
            threads: plan.threads.get(),
            entry_bytes: plan.entry_bytes,
            batch: if plan.mode == Mode::AddBatch { plan.batch.get() } else { 1 },
            duplicates_percent: plan.duplicates_percent,
            seed: plan.seed,
            seconds,
            requests: tally.sent,
            good: tally.good,
            entries: tally.done,
            requests_per_second: each_second(tally.good),
            entries_per_second: each_second(tally.done),
            overloaded: tally.overloaded,
            refused_entries: tally.refused,
            errors: errors(&tally),
            reconnects: tally.reconnects,
            latency: Latency::new(&tally.latency),
            open_loop: plan.rate.map(|rate| OpenLoop {
                rate: rate.get(),
                late: tally.late,
                unsent: tally.unsent,
                kept_up: tally.unsent == 0 && late_share <= TOO_MANY_LATE,
            }),
            generator: GeneratorUse {
                cpu_seconds: tally.cpu.as_secs_f64(),
                cpu_us_per_request: micros_each(tally.cpu, tally.good),
                busy: if busy.is_finite() { busy } else { 0.0 },
            },
            server,
            honesty: (plan.log.is_some() && plan.mode.adds()).then(|| tally.acknowledged.judge()),
        }
    }

    /// Whether the figures measure the generator rather than the server.
    pub fn is_generator_bound(&self) -> bool {
        self.generator.busy > SATURATED
    }

    /// Whether one index was given to two entries, so that not all that was acknowledged can be in the log.
    pub fn is_contradictory(&self) -> bool {
        self.honesty.is_some_and(|honesty| honesty.is_contradictory())
    }

    /// What a reader of the figures must know about them.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(open) = self.open_loop.filter(|open| !open.kept_up) {
            remarks.push(format!(
                "the rate of {} requests/s was not kept: {} went out late and {} not at all. Either the server was slower than that, or all \
                 connections were waiting (raise --connections), or the generator was busy",
                open.rate, open.late, open.unsent
            ));
        }
        if self.is_generator_bound() {
            remarks.push(format!(
                "the generator was busy {:.0} % of the time: this is its own limit rather than the server's. Give it more --threads, or \
                 larger requests",
                100.0 * self.generator.busy
            ));
        }
        if let Some(honesty) = self.honesty {
            if honesty.is_contradictory() {
                remarks.push(format!(
                    "the server gave {} of the indexes that were compared to more than one entry. Not all that it acknowledged can be in the log",
                    honesty.shared_indexes
                ));
            }
            if honesty.split_entries > 0 {
                remarks.push(format!(
                    "{} entries that were sent again got another index: this log does not recognize duplicates",
                    honesty.split_entries
                ));
            }
        }
        if self.good == 0 {
            remarks.push("nothing was answered as it should be, so there is nothing to measure".to_owned());
        }
        remarks
    }
}

/// Failures by what they were, without those that did not happen.
fn errors(tally: &Tally) -> BTreeMap<String, u64> {
    let statuses: u64 = tally.statuses.values().sum();
    let answered = tally.good + tally.overloaded + tally.nonsense + tally.lost + statuses;
    let kinds = [
        ("not what was asked for", tally.nonsense),
        ("connection lost", tally.lost),
        ("no connection", tally.unreachable),
        ("unanswered", tally.sent.saturating_sub(answered)),
    ];
    let by_status = tally.statuses.iter().map(|(status, count)| (format!("status {status}"), *count));
    by_status.chain(kinds.map(|(kind, count)| (kind.to_owned(), count))).filter(|(_, count)| *count > 0).collect()
}

fn micros_each(time: Duration, count: u64) -> f64 {
    if count == 0 { 0.0 } else { 1e6 * time.as_secs_f64() / float(count) }
}

#[expect(clippy::as_conversions, reason = "counts are reported to few digits, and there is no other way from u64 to f64")]
fn float(count: u64) -> f64 {
    count as f64
}

impl fmt::Display for Report {
    /// A table of a few lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.mode {
            Mode::AddBatch => format!("entries of {} bytes, {} a request", self.entry_bytes, self.batch),
            Mode::Add => format!("entries of {} bytes", self.entry_bytes),
            Mode::AddReceipt => format!("entries of {} bytes, each with its receipt", self.entry_bytes),
            Mode::Tile => "tiles".to_owned(),
            Mode::Bundle => "bundles".to_owned(),
            Mode::Proof => "proofs".to_owned(),
            Mode::Checkpoint => "checkpoints".to_owned(),
        };
        let pace = match self.open_loop {
            Some(open) => format!("{} requests/s asked", open.rate),
            None => "closed loop".to_owned(),
        };
        writeln!(f, "{what}, {} connections, {pace}, {:.1} s", self.connections, self.seconds)?;
        writeln!(f, "  good       {:>12} requests   {:>12} entries", self.good, self.entries)?;
        writeln!(f, "  rate       {:>12.0} requests/s {:>12.0} entries/s", self.requests_per_second, self.entries_per_second)?;
        let latency = &self.latency;
        let [p50, p99, p999, max] = [latency.p50_us, latency.p99_us, latency.p999_us, latency.max_us].map(|us| us / 1e3);
        writeln!(f, "  latency    p50 {p50:.3} ms   p99 {p99:.3} ms   p99.9 {p999:.3} ms   max {max:.3} ms")?;
        let generator = &self.generator;
        let busy = 100.0 * generator.busy;
        writeln!(
            f,
            "  generator  {:.2} s of processor time, {:.2} µs a request, busy {busy:.0} %",
            generator.cpu_seconds, generator.cpu_us_per_request
        )?;
        if let Some(server) = &self.server {
            write!(f, "  server     {:.2} s of processor time, {:.2} µs a request", server.cpu_seconds, server.cpu_us_per_request)?;
            if self.mode == Mode::AddBatch {
                write!(f, ", {:.2} µs an entry", server.cpu_us_per_entry)?;
            }
            for (bytes, what) in
                [(server.resident_bytes, "resident"), (server.peak_resident_bytes, "at most"), (server.written_bytes, "written")]
            {
                if let Some(bytes) = bytes {
                    write!(f, ", {:.0} MiB {what}", float(bytes) / 1_048_576.0)?;
                }
            }
            writeln!(f)?;
        }
        if self.overloaded > 0 || self.refused_entries > 0 {
            writeln!(f, "  overload   {} requests answered 503, {} entries of batches refused", self.overloaded, self.refused_entries)?;
        }
        for (kind, count) in &self.errors {
            writeln!(f, "  error      {count} × {kind}")?;
        }
        if self.reconnects > 0 {
            writeln!(f, "  reconnects {}", self.reconnects)?;
        }
        if let Some(honesty) = self.honesty {
            writeln!(f, "  compared   {} acknowledgements with each other", honesty.compared)?;
        }
        for remark in self.remarks() {
            writeln!(f, "  NOTE       {remark}.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(change: impl FnOnce(&mut Plan, &mut Tally)) -> Report {
        let mut plan = Plan::default();
        let mut tally = Tally::new();
        change(&mut plan, &mut tally);
        Report::new(&plan, Duration::from_secs(10), tally, None)
    }

    #[test]
    fn percentiles_are_those_of_the_recorded_times() {
        let report = report(|_, tally| {
            for micros in 1..=1000 {
                tally.latency.saturating_record(micros * 1000);
            }
            (tally.sent, tally.good, tally.done) = (1000, 1000, 1000);
        });
        let near = |value: f64, expected: f64| assert!((value - expected).abs() <= expected / 500.0, "{value} is not {expected}");
        near(report.latency.p50_us, 500.0);
        near(report.latency.p99_us, 990.0);
        near(report.latency.p999_us, 999.0);
        near(report.latency.max_us, 1000.0);
        near(report.latency.mean_us, 500.5);
        near(report.requests_per_second, 100.0);
        assert!(report.errors.is_empty() && !report.is_contradictory() && !report.is_generator_bound());
    }

    #[test]
    fn each_failure_is_reported_once_and_what_is_missing_is_unanswered() {
        let report = report(|_, tally| {
            (tally.sent, tally.good, tally.overloaded, tally.nonsense, tally.lost) = (20, 5, 4, 3, 2);
            tally.statuses.insert(500, 1);
        });
        let errors: Vec<_> = report.errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(errors, [("connection lost", 2), ("not what was asked for", 3), ("status 500", 1), ("unanswered", 5)]);
        assert_eq!(report.overloaded, 4);
    }

    #[test]
    fn a_rate_that_was_not_kept_is_said_aloud() {
        let asked = std::num::NonZeroU32::new(100);
        let kept = report(|plan, tally| (plan.rate, tally.sent, tally.late) = (asked, 1000, 10));
        assert!(kept.open_loop.is_some_and(|open| open.kept_up) && !kept.to_string().contains("not kept"));
        let late = report(|plan, tally| (plan.rate, tally.sent, tally.late) = (asked, 1000, 11));
        let unsent = report(|plan, tally| (plan.rate, tally.sent, tally.unsent) = (asked, 1000, 1));
        for report in [late, unsent] {
            assert!(report.open_loop.is_some_and(|open| !open.kept_up) && report.to_string().contains("not kept"), "{report}");
        }
    }

    #[test]
    fn a_generator_at_its_limit_is_said_aloud() {
        let report = report(|_, tally| tally.cpu = Duration::from_millis(9500));
        assert!(report.is_generator_bound() && report.to_string().contains("its own limit"));
    }
}
