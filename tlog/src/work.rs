//! Counts expensive steps in tests, so that a bound on work is tested by counting and not by the clock.

use std::cell::Cell;
use std::thread::LocalKey;

thread_local! {
    /// Checkpoints parsed by this thread.
    pub(crate) static PARSED: Cell<usize> = const { Cell::new(0) };
    /// Signatures verified by this thread.
    pub(crate) static VERIFIED: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn count(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

/// How often `work` counts.
pub(crate) fn counted<T>(counter: &'static LocalKey<Cell<usize>>, work: impl FnOnce() -> T) -> (usize, T) {
    let before = counter.get();
    let result = work();
    (counter.get() - before, result)
}
