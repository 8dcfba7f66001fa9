//! What a process has used so far, as the operating system counts it.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// Processor time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// What one process has used since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time of all its threads, in user code and for it in the kernel; in steps of a hundredth of a second.
    pub(crate) cpu: Duration,
    /// Memory now.
    pub(crate) resident_bytes: u64,
    /// Memory at its largest.
    pub(crate) peak_resident_bytes: u64,
    /// Bytes that it had written to disks; nothing where only the process's owner may know.
    pub(crate) written_bytes: Option<u64>,
}

impl Usage {
    /// Of the process with this number; nothing if there is none, or where the system has no `/proc`.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let file = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let status = file("status")?;
        Some(Usage {
            cpu: parse_cpu(&file("stat")?, clock_ticks_per_second())?,
            resident_bytes: parse_field(&status, "VmRSS:")? * 1024,
            peak_resident_bytes: parse_field(&status, "VmHWM:")? * 1024,
            written_bytes: file("io").and_then(|io| parse_field(&io, "write_bytes:")),
        })
    }
}

/// From a line of `/proc/PID/stat`: fields 14 and 15 are the ticks in user mode and in the kernel. The second field is the program's name
/// in parentheses and may hold anything, so counting begins after the last of those.
fn parse_cpu(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()?.checked_add(ticks()?)?;
    Some(Duration::from_nanos(ticks.checked_mul(1_000_000_000 / ticks_per_second.max(1))?))
}

/// `Name:   123 kB`
fn parse_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_processor_time_is_found_behind_any_program_name() {
        let stat = "7 (a b) 1 (x) S 1 7 7 0 -1 4194560 10 0 0 0 250 50 9 9 20 0 1 0 100 1 1";
        assert_eq!(parse_cpu(stat, 100), Some(Duration::from_secs(3)));
        assert_eq!(parse_cpu("7 (a) S 1", 100), None);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        assert_eq!(parse_field("VmPeak:\t 9 kB\nVmRSS:\t  123 kB\n", "VmRSS:"), Some(123));
        assert_eq!(parse_field("cancelled_write_bytes: 5\nwrite_bytes: 6\n", "write_bytes:"), Some(6));
        assert_eq!(parse_field("", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_time() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes > 0 && usage.peak_resident_bytes >= usage.resident_bytes);
        assert_eq!(Usage::of(u32::MAX), None);
    }
}
