//! Runs the fuzz targets without libFuzzer.
//!
//! ```text
//! acta-fuzz [SECONDS [TARGET…]]     each target for that long (10); SEED=n repeats a run
//! acta-fuzz list                    the targets
//! acta-fuzz corpus DIR              writes the seeds, DIR/TARGET/NUMBER, for libFuzzer to start from
//! acta-fuzz try TARGET FILE         one input, such as one that was found
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use acta_fuzz::driver::{self, Found, Until};
use acta_fuzz::{TARGETS, Target, target};

/// One input that takes longer than this is a fault too: parsers are linear, and inputs are small.
const TOO_SLOW: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["list"] => {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            Ok(())
        }
        ["corpus", directory] => write_corpus(Path::new(directory)).map_err(|error| format!("{directory}: {error}")),
        ["try", name, file] => try_one(name, file),
        [] => fuzz("10", &[]),
        [seconds, names @ ..] => fuzz(seconds, names),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Result<&'static Target, String> {
    target(name).ok_or_else(|| format!("there is no target {name}; `acta-fuzz list` names them"))
}

fn fuzz(seconds: &str, names: &[&str]) -> Result<(), String> {
    let time = seconds.parse().map(Duration::from_secs).map_err(|_| format!("{seconds} is not a number of seconds"))?;
    let chosen =
        if names.is_empty() { TARGETS.iter().collect() } else { names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()? };
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().map_err(|_| format!("SEED={seed} is not a number"))?,
        Err(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos())),
    };
    println!("SEED={seed}");
    for target in chosen {
        let run = driver::run(target, seed, Until::Elapsed(time)).map_err(|found| report(target, &found))?;
        println!("{:16} {:>9} inputs, {:>8} accepted, slowest {:?}", target.name, run.inputs, run.accepted, run.slowest);
        if run.slowest > TOO_SLOW {
            return Err(format!("{}: an input took {:?}", target.name, run.slowest));
        }
    }
    Ok(())
}

/// Keeps an input that was found, and says how to see it again.
fn report(target: &Target, found: &Found) -> String {
    let path = PathBuf::from("fuzz/artifacts").join(format!("{}-{}", target.name, found.after));
    let kept = fs::create_dir_all("fuzz/artifacts").and_then(|()| fs::write(&path, &found.input));
    match kept {
        Ok(()) => format!(
            "{} panicked on an input, which is in {path}; see it again with: acta-fuzz try {} {path}",
            target.name,
            target.name,
            path = path.display()
        ),
        Err(error) => format!("{} panicked on an input, which could not be kept ({error}): {:?}", target.name, found.input),
    }
}

fn write_corpus(directory: &Path) -> std::io::Result<()> {
    for target in TARGETS {
        let directory = directory.join(target.name);
        fs::create_dir_all(&directory)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(directory.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}

fn try_one(name: &str, file: &str) -> Result<(), String> {
    let input = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let accepted = (find(name)?.run)(&input);
    println!("{name}: {}", if accepted { "accepted" } else { "refused" });
    Ok(())
}
