//! Warnings about what looks like a person in the clear: the first of each kind in full, the others by their number.

use std::collections::BTreeMap;

use acta_client::statements::{Exposed, Place, Sign};
use serde_json::{Value, json};
use tlog::printable::Printable;

use crate::commands::{show, warn};

/// How many of a kind are shown in full: who publishes thousands of lines has made one mistake, not thousands.
const SHOWN: u64 = 3;

/// How many kinds are counted apart: fields of `data` can be called anything.
const KINDS: usize = 1000;

/// What was warned about in a run.
#[derive(Debug, Default)]
pub(in crate::commands) struct Exposures {
    /// How many lines, by path and sign.
    lines: BTreeMap<(String, Sign), u64>,
    /// Lines of other kinds than those.
    others: u64,
}

impl Exposures {
    /// Counts, and gives what is to be shown now.
    pub(in crate::commands) fn note(&mut self, place: &Place, exposed: &Exposed) -> Option<String> {
        let kind = (exposed.path.clone(), exposed.sign);
        if self.lines.len() >= KINDS && !self.lines.contains_key(&kind) {
            self.others += 1;
            return None;
        }
        let lines = self.lines.entry(kind).or_default();
        *lines += 1;
        (*lines <= SHOWN).then(|| format!("warning: {place}: {exposed}"))
    }

    /// Says how many there were that were not shown.
    pub(in crate::commands) fn finish(&self) {
        for ((path, sign), lines) in self.lines.iter().filter(|(_, lines)| **lines > SHOWN) {
            warn(format_args!("warning: {}: `{}` {sign}", show::count(lines - SHOWN, "more line", "more lines"), Printable(path)));
        }
        if self.others > 0 {
            warn(format_args!("warning: {} other fields look like persons too", show::grouped(self.others)));
        }
    }

    /// The same for scripts.
    pub(in crate::commands) fn json(&self) -> Value {
        self.lines.iter().map(|((path, sign), lines)| json!({ "path": path, "sign": sign, "lines": lines })).collect()
    }
}
