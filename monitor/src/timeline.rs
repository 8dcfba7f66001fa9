//! When entries were published: by which of the log's heads they were covered first, and when that head was there.
//!
//! While a log is followed, that is known from looking: an entry was published between the last look at which the newest head did not cover it
//! and the time of the first head that did. For entries from before, the log is asked (`head/covering`), if it answers that; and only where
//! it is worth it: of an entry that lies between two heads a minute apart nobody needs to know more.
//!
//! Invariant: heads that come as an answer bear the log's signature, and times are those of the witnesses that the policy asks for. A log that
//! answers nothing of use is not asked again for a while; then a time is "at the latest".
//!
//! What it rests on: a log can leave out heads of its past when it is asked, so that an entry seems to be newer than it is; it cannot make one
//! older, since witnesses have dated the heads.

use std::collections::BTreeMap;
use std::ops::Range;

use acta_client::source::Source;
use jiff::{SignedDuration, Timestamp};
use tlog::LeafIndex;
use tlog::checkpoint::SignedCheckpoint;
use tlog::policy::{Policy, Since, VerifiedCheckpoint};

use crate::check::Published;

/// Entries of which the time is known so well are not asked about.
const NEAR: SignedDuration = SignedDuration::from_mins(3);

/// How many heads a log is asked for, at most, for one chunk of entries.
const QUESTIONS: usize = 12;

/// How many heads are remembered, at most.
const POINTS: usize = 1024;

/// What is known of a log's heads, by their size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    points: BTreeMap<u64, Point>,
    /// The log gives no heads of its past, or none with times.
    is_mute: bool,
}

/// A head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    /// When it was there first, as far as is known.
    first: Timestamp,
    /// When it was still the newest.
    last: Timestamp,
    /// It was the first to cover the entries from here on.
    exact_from: u64,
}

/// When a head was there: when the last of the witnesses that the policy asks for had signed it, but not after it was seen.
pub(crate) fn head_time(policy: &Policy, head: &VerifiedCheckpoint, seen: Timestamp) -> Timestamp {
    stated_time(policy, head).map_or(seen, |stated| stated.min(seen))
}

/// The time that its witnesses state, if they state one.
fn stated_time(policy: &Policy, head: &VerifiedCheckpoint) -> Option<Timestamp> {
    let tally = policy.tally(head.cosignatures());
    let mut times: Vec<Since> = tally.votes.iter().filter_map(|vote| vote.cosigned).collect();
    if times.is_empty() {
        times = tally.uncounted.iter().filter_map(|vote| vote.cosigned).collect();
    }
    times.sort_unstable();
    match times.get(tally.threshold.max(1) - 1) {
        Some(Since::Time(seconds)) => i64::try_from(seconds.get()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
        _ => None,
    }
}

impl Timeline {
    /// A head of this size was there at that time, and perhaps before.
    pub(crate) fn saw(&mut self, size: u64, time: Timestamp) {
        let point = self.points.entry(size).or_insert(Point { first: time, last: time, exact_from: size });
        point.first = point.first.min(time);
        point.last = point.last.max(time);
    }

    /// When the entry at this index was published.
    pub(crate) fn published(&self, index: u64, now: Timestamp) -> Published {
        let covering = self.points.range(index.saturating_add(1)..).next().map(|(_, point)| point);
        let latest = covering.map_or(now, |point| point.first);
        if covering.is_some_and(|point| point.exact_from <= index) {
            return Published { earliest: Some(latest), latest };
        }
        let earliest = self.points.range(..=index).next_back().map(|(_, point)| point.last.min(latest));
        Published { earliest, latest }
    }

    /// The times of these entries, as runs: each the index after its last entry.
    pub(crate) fn runs(&self, range: Range<u64>, now: Timestamp) -> Vec<(u64, Published)> {
        let mut runs: Vec<(u64, Published)> = Vec::new();
        let mut index = range.start;
        while index < range.end {
            let published = self.published(index, now);
            // A run ends where the next head begins to cover, or where one becomes exact.
            let covering = self.points.range(index + 1..).next();
            let end = match covering {
                Some((_, point)) if point.exact_from > index => point.exact_from,
                Some((size, _)) => *size,
                None => range.end,
            };
            index = end.clamp(index + 1, range.end);
            runs.push((index, published));
        }
        runs
    }

    /// Asks the log for heads of its past, as far as it is worth it for these entries.
    pub(crate) async fn refine(&mut self, source: &Source, policy: &Policy, range: Range<u64>, now: Timestamp) {
        if source.server().is_none() {
            return;
        }
        for question in 0..QUESTIONS {
            let Some(uncertain) = self.most_uncertain(range.clone(), now).filter(|_| !self.is_mute) else { return };
            // In turn from its start, where one answer may cover all of it, and from its middle, where half of it is settled by time.
            let index = if question % 2 == 0 { uncertain.start } else { uncertain.start + (uncertain.end - uncertain.start) / 2 };
            match ask(source, policy, index).await {
                Some((size, time)) if size > index => self.covers(index, size, time),
                _ => self.is_mute = true,
            }
        }
    }

    /// Asks again: the log may have been away only.
    pub(crate) fn listen(&mut self) {
        self.is_mute = false;
    }

    /// Forgets what is of no use for entries from `cursor` on.
    pub(crate) fn forget_before(&mut self, cursor: u64) {
        if let Some((&newest, _)) = self.points.range(..=cursor).next_back() {
            self.points = self.points.split_off(&newest);
        }
        while self.points.len() > POINTS {
            // In the middle; the ends are what everything lies between.
            let Some(&size) = self.points.keys().nth(POINTS / 2) else { return };
            self.points.remove(&size);
        }
    }

    /// The head of this size was the first that covered the entry.
    fn covers(&mut self, index: u64, size: u64, time: Timestamp) {
        let point = self.points.entry(size).or_insert(Point { first: time, last: time, exact_from: size });
        point.first = time.min(point.first);
        point.last = point.last.max(time);
        point.exact_from = point.exact_from.min(index);
    }

    /// Of the entries between two heads those of which least is known, if that is too little.
    fn most_uncertain(&self, range: Range<u64>, now: Timestamp) -> Option<Range<u64>> {
        let mut worst: Option<(SignedDuration, Range<u64>)> = None;
        let mut start = range.start;
        for (end, published) in self.runs(range, now) {
            let span = published.earliest.map_or(SignedDuration::MAX, |earliest| published.latest.duration_since(earliest));
            if span > NEAR && worst.as_ref().is_none_or(|(widest, _)| span > *widest) {
                worst = Some((span, start..end));
            }
            start = end;
        }
        worst.map(|(_, range)| range)
    }
}

/// Size and time of the first head over an entry, if the log gives one that says when it was there.
async fn ask(source: &Source, policy: &Policy, index: u64) -> Option<(u64, Timestamp)> {
    let head: SignedCheckpoint = source.head_covering(LeafIndex::new(index)).await.ok()??;
    // What of its witnesses is missing today may have been enough then.
    let head = policy.without_quorum().verify(&head).ok()?;
    Some((head.checkpoint().size().as_u64(), stated_time(policy, &head)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn an_entry_was_published_between_two_looks() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.published(3, at(9)), Published { earliest: None, latest: at(9) }, "nothing is known");
        timeline.saw(10, at(0));
        timeline.saw(10, at(4));
        timeline.saw(20, at(5));
        assert_eq!(timeline.published(9, at(9)), Published { earliest: None, latest: at(0) });
        assert_eq!(timeline.published(10, at(9)), Published { earliest: Some(at(4)), latest: at(5) });
        assert_eq!(timeline.published(20, at(9)), Published { earliest: Some(at(5)), latest: at(9) });
        timeline.forget_before(12);
        assert_eq!(timeline.published(12, at(9)), Published { earliest: Some(at(4)), latest: at(5) });
    }

    #[test]
    fn an_answer_settles_what_it_covers_and_no_more() {
        let mut timeline = Timeline::default();
        timeline.saw(0, at(0));
        timeline.saw(1000, at(600));
        assert_eq!(timeline.most_uncertain(0..1000, at(600)), Some(0..1000));
        timeline.covers(0, 400, at(100));
        assert_eq!(timeline.published(399, at(600)), Published { earliest: Some(at(100)), latest: at(100) });
        assert_eq!(timeline.most_uncertain(0..1000, at(600)), Some(400..1000));
        timeline.covers(700, 800, at(102));
        // What lies before the middle is settled by time, without an answer of its own.
        assert_eq!(timeline.published(500, at(600)), Published { earliest: Some(at(100)), latest: at(102) });
        assert_eq!(timeline.most_uncertain(0..1000, at(600)), Some(800..1000));
        let runs = timeline.runs(300..900, at(600));
        assert_eq!(runs.iter().map(|(end, _)| *end).collect::<Vec<_>>(), [400, 700, 800, 900]);
        for index in 300..900 {
            let (_, published) = runs.iter().find(|(end, _)| index < *end).unwrap();
            assert_eq!(*published, timeline.published(index, at(600)), "{index}");
        }
    }

    #[test]
    fn however_many_heads_there_are_few_are_remembered() {
        let mut timeline = Timeline::default();
        (0..5000).for_each(|size| timeline.saw(size, at(1)));
        timeline.forget_before(0);
        assert!(timeline.points.len() <= POINTS && timeline.points.contains_key(&0) && timeline.points.contains_key(&4999));
    }
}
