//! What has to be looked at again when a time has come.
//!
//! Rows of a check with keys `d`, time, and what it is about, so that those which are due come first. Row `D` says up to when all were
//! looked at: a search begins there, and not at the many that a database still remembers as removed. Whoever is called looks at its own
//! rows to see whether there is still anything to say, so a deadline that was left behind does no harm.

use super::{decode, encode};
use crate::check::Rows;
use crate::store::{Damage, StoreError};

const SEEN: &[u8] = b"D";

/// How many are looked at in one go.
const CHUNK: usize = 64;

/// Has `about` looked at once `at`, in seconds, has come; at the next look if it has.
pub(super) fn set(rows: &mut Rows<'_, '_>, at: i64, about: &[u8]) -> Result<(), StoreError> {
    if at < seen(rows)? {
        rows.put(SEEN, encode(&at));
    }
    rows.put(&key(at, about), Vec::new());
    Ok(())
}

/// Has it not looked at, if that is still to come.
pub(super) fn unset(rows: &mut Rows<'_, '_>, at: i64, about: &[u8]) {
    rows.delete(&key(at, about));
}

/// Calls `visit` with all that is due at `until`, in the order of time, once each. It may set what is due later
/// than what it is called with.
pub(super) fn due(
    rows: &mut Rows<'_, '_>,
    until: i64,
    mut visit: impl FnMut(&mut Rows<'_, '_>, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let seen = seen(rows)?;
    // On from the last one, and not from the first: until the batch is written, those that it removed are still passed over by a search.
    let mut from = key(seen, b"");
    loop {
        let chunk = rows.scan_from(b"d", &from, CHUNK)?;
        let more = chunk.len() == CHUNK;
        if let Some((last, _)) = chunk.last() {
            from = [last.as_slice(), b"\0"].concat();
        }
        for (key, _) in chunk {
            let (at, about) = parse(&key)?;
            if at > until {
                return remember(rows, seen, until);
            }
            rows.delete(&key);
            visit(rows, about)?;
        }
        if !more {
            return remember(rows, seen, until);
        }
    }
}

/// Not each second anew: what was removed in the last minute is passed over quickly. A clock that was wrong for a while leaves a time that
/// is too late; what is set before it moves it back.
fn remember(rows: &mut Rows<'_, '_>, seen: i64, until: i64) -> Result<(), StoreError> {
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
        write(&mut |rows| {
            due(rows, 7, |_, _| {
                visited += 1;
                Ok(())
            })
        });
        let passed = PASSED.get() - before;
        assert_eq!(visited, count);
        assert!((10_000..20_000).contains(&passed), "{passed} rows were come by");
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
                            let mut visited = Vec::new();
                            due(rows, at, |_, about| {
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
