//! How many heaps the C library keeps for a server's threads.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// glibc's setting, read when a program starts.
const SETTING: &str = "MALLOC_ARENA_MAX";

/// One for the threads of connections, and one more for those beside them.
const HEAPS: &str = "2";

/// Starts the program again, in the same process, with few heaps, unless somebody has said how many. To be called before there are threads.
///
/// glibc gives threads up to eight heaps for each processor, and memory that was freed in one serves no other. A server reads from the disk
/// on many threads, so a log that served bundles and receipts to 64 clients came to 831 MB, of which 294 were in use; its speed was the
/// same. The library can be told only by its environment or by a call that Rust counts as unsafe.
pub(crate) fn keep_few() {
    if cfg!(not(target_env = "gnu")) || env::var_os(SETTING).is_some() {
        return;
    }
    let mut args = env::args_os();
    let name = args.next();
    let Ok(program) = env::current_exe() else { return };
    let error = Command::new(program).arg0(name.as_deref().unwrap_or(OsStr::new("acta"))).args(args).env(SETTING, HEAPS).exec();
    // Whatever is against it costs memory and nothing else.
    eprintln!("the program could not start itself again with {SETTING}={HEAPS}, and may need more memory: {error}");
}
