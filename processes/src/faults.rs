//! Real system calls: those that fail (a sync with an input/output error, a disk without room), and in which order they come.
//!
//! These need `strace`, and the right to mount a file system in memory. Where a machine lacks them this says so loudly and the test passes;
//! with `ACTA_REQUIRE_FAULTS=1`, as in CI, that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Program;

/// A file system in memory of a few megabytes; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Makes the directory `at` and mounts it; `None` if this machine does not let us.
    pub fn mount(at: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(&at);
        can("the right to mount a file system", &mut mount).then_some(SmallDisk(at))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Whether syncs can be made to fail, and calls be noted, here.
pub fn syncs_can_fail() -> bool {
    can("strace", Command::new("strace").args(["-qq", "-e", "trace=none", "true"]))
}

/// Calls that change files and make them durable, of a program that ran under [`Program::with_calls_noted`].
#[derive(Clone, Debug)]
pub struct Calls(Vec<Call>);

/// One of them, as `strace` writes it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name and arguments; files with their paths.
    pub text: String,
    /// Where in the order of all beginnings and ends it began.
    pub begun: usize,
    /// Where it ended.
    pub ended: usize,
}

impl Calls {
    /// Reads what was noted in `file`.
    pub fn read(file: &Path) -> Self {
        let noted = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        let (mut calls, mut open) = (Vec::new(), std::collections::HashMap::new());
        for (place, line) in noted.lines().enumerate() {
            let Some((thread, text)) = line.split_once(' ') else { continue };
            let text = text.trim_start();
            // A call in which another thread had its turn is in two lines.
            if let Some(begin) = text.strip_suffix("<unfinished ...>") {
                open.insert(thread, (place, begin.trim_end()));
            } else if let Some((_, resumed)) = text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
                let Some((begun, begin)) = open.remove(thread) else { continue };
                calls.push(Call { text: format!("{begin}{resumed}"), begun, ended: place });
            } else {
                calls.push(Call { text: text.to_owned(), begun: place, ended: place });
            }
        }
        Calls(calls)
    }

    /// The first of this name that begins after `after` and has all of these in its text.
    pub fn first(&self, name: &str, has: &[&str], after: usize) -> Option<&Call> {
        let is_such = |call: &&Call| call.text.starts_with(&format!("{name}(")) && has.iter().all(|part| call.text.contains(part));
        self.0.iter().filter(|call| call.begun > after).filter(is_such).min_by_key(|call| call.begun)
    }
}

impl Program {
    /// The same, with its calls that change files noted in `file`, see [`Calls`].
    #[must_use]
    pub fn with_calls_noted(&self, file: &Path) -> Self {
        let calls = "trace=fsync,fdatasync,mkdir,rename,write,pwrite64";
        let file = file.to_str().expect("a test's own path");
        self.under(&["strace", "-f", "-qq", "-y", "-s", "65536", "-o", file, "-e", calls])
    }

    /// The same, where in each thread every sync from the `nth` on fails.
    #[must_use]
    pub fn with_failing_syncs(&self, nth: u64) -> Self {
        let inject = format!("fdatasync,fsync:error=EIO:when={nth}+");
        self.under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "--inject", &inject])
    }
}

/// Whether the machine can do what a test needs; if not, says so.
fn can(what: &str, probe: &mut Command) -> bool {
    let can = probe.output().is_ok_and(|output| output.status.success());
    if !can {
        assert!(std::env::var_os("ACTA_REQUIRE_FAULTS").is_none(), "{what} is required here");
        println!("SKIPPED: this test needs {what}");
    }
    can
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_during_which_another_thread_had_its_turn_is_one_call() {
        let noted = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            "7 fsync(29</state/evidence> <unfinished ...>",
            "8 write(4</state/log>, \"x\", 1) = 1",
            "7 <... fsync resumed>)              = 0",
            "7 rename(\"/a\", \"/b\") = 0",
        ];
        std::fs::write(noted.path(), lines.join("\n")).unwrap();
        let calls = Calls::read(noted.path());
        assert_eq!(calls.first("write", &["/state/log>"], 0).map(|call| (call.begun, call.ended)), Some((1, 1)));
        assert_eq!(calls.first("rename", &["/b"], 2).map(|call| call.begun), Some(3));
        let both: Vec<_> = calls.0.iter().filter(|call| call.text.starts_with("fsync(29</state/evidence>)")).collect();
        assert_eq!(both.iter().map(|call| (call.begun, call.ended)).collect::<Vec<_>>(), [(0, 2)]);
    }
}
