//! Feeds a target with mutated seeds for a while. Needs nothing but stable Rust, and finds what lies near valid inputs; libFuzzer finds
//! more, since it sees which code an input reaches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::Target;
use crate::mutate::{Random, mutate};

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// How many inputs were tried.
    pub inputs: u64,
    /// How many of them were accepted.
    pub accepted: u64,
    /// The longest time that one took.
    pub slowest: Duration,
}

/// An input for which the target panicked.
#[derive(Clone, Debug)]
pub struct Found {
    /// The input.
    pub input: Vec<u8>,
    /// How many inputs were tried before it.
    pub after: u64,
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After that time.
    Elapsed(Duration),
    /// After as many inputs: the same ones for the same seed.
    Inputs(u64),
}

/// Tries the seeds themselves, then mutations of them and of mutations that were accepted.
pub fn run(target: &Target, seed: u64, until: Until) -> Result<Run, Found> {
    let mut random = Random::new(seed);
    let mut pool = (target.seeds)();
    let seeds = pool.len();
    let (mut run, began) = (Run::default(), Instant::now());
    for input in &pool {
        run.one(target, input)?;
    }
    while !until.reached(run.inputs, began) {
        let mut input = pool[random.below(pool.len())].clone();
        let other = random.below(pool.len());
        mutate(&mut random, &mut input, &pool[other]);
        if run.one(target, &input)? && random.below(8) == 0 {
            // What is accepted after a change leads further than the seeds do. The pool stays small, and the seeds stay in it.
            if pool.len() < seeds + 256 {
                pool.push(input);
            } else {
                let replaced = seeds + random.below(256);
                pool[replaced] = input;
            }
        }
    }
    Ok(run)
}

impl Until {
    fn reached(self, inputs: u64, began: Instant) -> bool {
        match self {
            Until::Elapsed(time) => began.elapsed() >= time,
            Until::Inputs(count) => inputs >= count,
        }
    }
}

impl Run {
    fn one(&mut self, target: &Target, input: &[u8]) -> Result<bool, Found> {
        let began = Instant::now();
        // The target is a function of its input; there is no state that a panic could leave broken.
        let accepted = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        self.slowest = self.slowest.max(began.elapsed());
        let accepted = accepted.map_err(|_| Found { input: input.to_vec(), after: self.inputs })?;
        self.inputs += 1;
        self.accepted += u64::from(accepted);
        Ok(accepted)
    }
}
