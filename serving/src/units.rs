//! Durations and sizes as people write them: `"10s"`, `"64 MiB"`. One number and one unit each, so that there is one way to read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time: a whole number and `ms`, `s`, `m`, `h`, or `d` for 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// What was written is not a [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a length of time; write a whole number and a unit, such as \"500ms\", \"10s\", \"5m\", \"1h\" or \"30d\"")]
pub struct MalformedSpan;

/// What was written is not a [`ByteSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a size; write a whole number and a unit, such as \"512 B\", \"16 KiB\", \"64 MiB\" or \"1 GiB\"")]
pub struct MalformedSize;

/// Milliseconds in each unit, largest first: printing takes the first that divides.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Bytes in each unit, largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Span(Duration::from_secs(seconds))
    }
}

impl ByteSize {
    /// A size of whole mebibytes.
    pub const fn mebibytes(mebibytes: u64) -> Self {
        ByteSize(mebibytes << 20)
    }

    /// The number of bytes, as far as this machine can address them.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Span {
    type Err = MalformedSpan;

    fn from_str(text: &str) -> Result<Self, MalformedSpan> {
        Ok(Span(Duration::from_millis(parse(text, &SPANS).ok_or(MalformedSpan)?)))
    }
}

impl FromStr for ByteSize {
    type Err = MalformedSize;

    fn from_str(text: &str) -> Result<Self, MalformedSize> {
        parse(text, &SIZES).map(ByteSize).ok_or(MalformedSize)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (number, unit) = print(milliseconds, &SPANS, "s");
        write!(f, "{number}{unit}")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = print(self.0, &SIZES, "KiB");
        write!(f, "{number} {unit}")
    }
}

impl TryFrom<String> for Span {
    type Error = MalformedSpan;

    fn try_from(text: String) -> Result<Self, MalformedSpan> {
        text.parse()
    }
}

impl TryFrom<String> for ByteSize {
    type Error = MalformedSize;

    fn try_from(text: String) -> Result<Self, MalformedSize> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The number and the largest unit that says it exactly; nothing at all is said in the unit `of_zero`.
fn print<'a>(value: u64, units: &[(&'a str, u64)], of_zero: &'a str) -> (u64, &'a str) {
    let exact = units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    exact.map_or((0, of_zero), |(name, factor)| (value / factor, *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_to_the_same() {
        for text in ["0s", "1ms", "1500ms", "10s", "5m", "1h", "36h", "7d"] {
            assert_eq!(text.parse::<Span>().map(|span| span.to_string()), Ok(text.to_owned()));
        }
        for text in ["0 KiB", "1 B", "1025 B", "16 KiB", "64 MiB", "3 GiB"] {
            assert_eq!(text.parse::<ByteSize>().map(|size| size.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("64MiB".parse(), Ok(ByteSize::mebibytes(64)));
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for bad in ["", "10", "s", "-1s", "1.5s", "10 sec", "10s ", " 10s", "10  s", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(bad.parse::<Span>(), Err(MalformedSpan), "{bad:?}");
        }
        for bad in ["", "64", "64 MB", "64 mib", "1.5 GiB", "18446744073709551615 GiB"] {
            assert_eq!(bad.parse::<ByteSize>(), Err(MalformedSize), "{bad:?}");
        }
    }
}
