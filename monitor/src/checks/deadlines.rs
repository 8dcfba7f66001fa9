//! What has to be looked at again when a time has come.
//!
//! Rows of a check with keys `d`, time, and what it is about, so that those which are due come first. Row `D` says up to when all were
//! looked at: a search begins there, and not at the many that a database still remembers as removed. Whoever is called looks at its own
//! rows to see whether there is still anything to say, so a deadline that was left behind does no harm.
//!
//! Invariant: of all that is due, so many are looked at for one batch ([`MOST`]), however many an issuer has brought it about that come due
//! at once. Row `N` is then the key of the next one, and the next batch goes on there.

use super::{decode, encode};
use crate::check::{Outcome, Rows};
use crate::store::{Damage, StoreError};

const SEEN: &[u8] = b"D";
const NEXT: &[u8] = b"N";

/// How many are read in one go.
const CHUNK: usize = 64;

/// How many are looked at for one batch, at most: what is found of each is held in memory until the batch is written.
const MOST: usize = 1024;

/// Has `about` looked at once `at`, in seconds, has come; at the next look if it has.
pub(super) fn set(rows: &mut Rows<'_, '_>, at: i64, about: &[u8]) -> Result<(), StoreError> {
    let (seen, key) = (seen(rows)?, key(at, about));
    if at < seen {
        rows.put(SEEN, encode(&at));
    }
    if at <= seen && rows.get(NEXT)?.is_some_and(|next| key < next) {
        rows.delete(NEXT);
    }
    rows.put(&key, Vec::new());
    Ok(())
}

/// Has it not looked at, if that is still to come.
pub(super) fn unset(rows: &mut Rows<'_, '_>, at: i64, about: &[u8]) {
    rows.delete(&key(at, about));
}

/// Calls `visit` with what is due at `until`, in the order of time, once each; with [`MOST`] of them at most, and then has `out` say that there
/// is more. It may set what is due later than what it is called with.
pub(super) fn due(
    rows: &mut Rows<'_, '_>,
    until: i64,
    out: &mut Outcome,
    mut visit: impl FnMut(&mut Rows<'_, '_>, &[u8], &mut Outcome) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (seen, next) = (seen(rows)?, rows.get(NEXT)?);
    let is_begun = next.is_some();
    // On from the last one, and not from the first: until the batch is written, those that it removed are still passed over by a search.
    let mut from = next.unwrap_or_else(|| key(seen, b""));
    let mut visited = 0;
    loop {
        let chunk = rows.scan_from(b"d", &from, CHUNK)?;
        let more = chunk.len() == CHUNK;
        if let Some((last, _)) = chunk.last() {
            from = [last.as_slice(), b"\0"].concat();
        }
        for (key, _) in chunk {
            let (at, about) = parse(&key)?;
            if at > until {
                return remember(rows, seen, until, is_begun);
            }
            if visited == MOST {
                rows.put(SEEN, encode(&at));
                rows.put(NEXT, key);
                out.come_again();
                return Ok(());
            }
            visited += 1;
            rows.delete(&key);
            visit(rows, about, out)?;
        }
        if !more {
            return remember(rows, seen, until, is_begun);
        }
    }
}

/// Not each second anew: what was removed in the last minute is passed over quickly. A clock that was wrong for a while leaves a time that
/// is too late; what is set before it moves it back.
fn remember(rows: &mut Rows<'_, '_>, seen: i64, until: i64, is_begun: bool) -> Result<(), StoreError> {
    if is_begun {
        rows.delete(NEXT);
    }
    if until.saturating_sub(60) > seen {
        rows.put(SEEN, encode(&until));
    }
    Ok(())
}

fn seen(rows: &Rows<'_, '_>) -> Result<i64, StoreError> {
    rows.get(SEEN)?.map_or(Ok(i64::MIN), |row| decode(&row))
}

/// Times sort as the bytes of unsigned numbers do.
fn key(at: i64, about: &[u8]) -> Vec<u8> {
    [b"d".as_slice(), &(at ^ i64::MIN).to_be_bytes(), about].concat()
}

fn parse(key: &[u8]) -> Result<(i64, &[u8]), StoreError> {
    let (at, about) = key.get(1..).and_then(|rest| rest.split_first_chunk::<8>()).ok_or(Damage::MalformedRow)?;
    Ok((i64::from_be_bytes(*at) ^ i64::MIN, about))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::testing::World;
    use super::*;
    use crate::store::PASSED;

    /// Each step used to come by all that the steps before it had removed: with a hundred thousand that took minutes, in which nothing else
    /// was looked at.
    #[test]
    fn many_that_are_due_at_once_take_no_longer_each_than_few() {
        let world = World::with(Vec::new());
        let write = |work: &mut dyn FnMut(&mut Rows<'_, '_>) -> Result<(), StoreError>| {
            world.store().write(|txn| work(&mut Rows::new(txn, world.log, "many"))).unwrap();
        };
        let count = 10_000_u32;
        write(&mut |rows| (0..count).try_for_each(|about| set(rows, 7, &about.to_be_bytes())));
        let (before, mut visited) = (PASSED.get(), 0);
        // In batches of which each is small.
        let mut batches = 0;
        while visited < count {
            let visited_before = visited;
            write(&mut |rows| {
                let mut out = Outcome::default();
                due(rows, 7, &mut out, |_, _, _| {
                    visited += 1;
                    Ok(())
                })?;
                assert_eq!(out.is_unfinished(), visited < count);
                Ok(())
            });
            batches += 1;
            assert!(visited - visited_before <= 1024, "{} in one batch", visited - visited_before);
        }
        let passed = PASSED.get() - before;
        assert_eq!((visited, batches), (count, 10));
        assert!((10_000..20_000).contains(&passed), "{passed} rows were come by");
    }

    /// What is set while a search is half way must not be left behind it.
    #[test]
    fn what_is_set_between_two_batches_is_looked_at_in_the_next() {
        let world = World::with(Vec::new());
        let write = |work: &mut dyn FnMut(&mut Rows<'_, '_>) -> Result<(), StoreError>| {
            world.store().write(|txn| work(&mut Rows::new(txn, world.log, "between"))).unwrap();
        };
        write(&mut |rows| (0..3000_u32).try_for_each(|about| set(rows, 7, &about.to_be_bytes())));
        let mut visited: Vec<Vec<u8>> = Vec::new();
        for (at, about) in [(7, 5_u32), (6, 9), (7, 4000)] {
            write(&mut |rows| {
                due(rows, 7, &mut Outcome::default(), |_, about, _| {
                    visited.push(about.to_vec());
                    Ok(())
                })
            });
            write(&mut |rows| set(rows, at, &about.to_be_bytes()));
        }
        write(&mut |rows| {
            due(rows, 7, &mut Outcome::default(), |_, about, _| {
                visited.push(about.to_vec());
                Ok(())
            })
        });
        visited.sort();
        let mut expected: Vec<Vec<u8>> = (0..3000_u32).chain([5, 9, 4000]).map(|about| about.to_be_bytes().to_vec()).collect();
        expected.sort();
        assert_eq!(visited, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn each_is_looked_at_once_when_its_time_has_come_whatever_the_clock_does(
            steps in proptest::collection::vec((0u8..4, -300i64..300, 0u8..3), 1..80),
        ) {
            let world = World::with(Vec::new());
            let mut expected = BTreeSet::new();
            for (step, at, about) in steps {
                world.store().write(|txn| {
                    let rows = &mut Rows::new(txn, world.log, "deadlines");
                    match step {
                        0 => {
                            expected.remove(&(at, about));
                            unset(rows, at, &[about]);
                        }
                        1 => {
                            let (now, later): (BTreeSet<_>, BTreeSet<_>) = expected.iter().copied().partition(|(due, _)| *due <= at);
                            let (mut visited, mut out) = (Vec::new(), Outcome::default());
                            due(rows, at, &mut out, |_, about, _| {
                                visited.push(about[0]);
                                Ok(())
                            })?;
                            assert_eq!(visited, now.iter().map(|(_, about)| *about).collect::<Vec<_>>());
                            expected = later;
                        }
                        _ => {
                            expected.insert((at, about));
                            set(rows, at, &[about])?;
                        }
                    }
                    Ok::<_, StoreError>(())
                }).unwrap();
            }
        }
    }
}
