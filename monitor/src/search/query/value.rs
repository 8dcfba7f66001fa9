//! Values of fields as numbers that sort as the values do.

use jiff::civil::Date;

/// Decimals of an amount in the index. The rest of an amount is cut off there.
const DECIMALS: usize = 4;

/// A value, or a range of values: `7`, `>7`, `>=7`, `<7`, `<=7`, `7..9`, `7..`, `..9`. `values` says from which number to which a value
/// goes.
pub(super) fn range(text: &str, values: impl Fn(&str) -> Option<(i64, i64)>) -> Option<(i64, i64)> {
    if let Some(value) = text.strip_prefix(">=") {
        return Some((values(value)?.0, i64::MAX));
    }
    if let Some(value) = text.strip_prefix("<=") {
        return Some((i64::MIN, values(value)?.1));
    }
    if let Some(value) = text.strip_prefix('>') {
        return Some((values(value)?.1.saturating_add(1), i64::MAX));
    }
    if let Some(value) = text.strip_prefix('<') {
        return Some((i64::MIN, values(value)?.0.saturating_sub(1)));
    }
    match text.split_once("..") {
        None => values(text),
        Some(("", "")) => None,
        Some(("", most)) => Some((i64::MIN, values(most)?.1)),
        Some((least, "")) => Some((values(least)?.0, i64::MAX)),
        Some((least, most)) => Some((values(least)?.0, values(most)?.1)),
    }
}

/// An amount in ten thousandths: rounded up and rounded down, so that what is between two of them is above the one and below the other.
pub(super) fn amount(text: &str) -> Option<(i64, i64)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |part: &str| (1..=32).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let (kept, cut) = fraction.split_at(fraction.len().min(DECIMALS));
    let scaled: i128 = format!("{whole}{kept:0<DECIMALS$}").parse().ok()?;
    let exact = cut.bytes().all(|c| c == b'0');
    let (up, down) = match (negative, exact) {
        (false, true) => (scaled, scaled),
        (false, false) => (scaled + 1, scaled),
        (true, true) => (-scaled, -scaled),
        (true, false) => (-scaled, -scaled - 1),
    };
    Some((saturated(up), saturated(down)))
}

/// The days since 1970 of a day, a month or a year: the first and the last.
pub(super) fn days(text: &str) -> Option<(i64, i64)> {
    let (first, last) = period(text)?;
    Some((day(first)?, day(last)?))
}

/// The seconds since 1970 of a moment, a day, a month or a year: the first and the last.
pub(super) fn seconds(text: &str) -> Option<(i64, i64)> {
    const DAY: i64 = 86_400;
    if text.contains('T') {
        let second = text.parse::<jiff::Timestamp>().ok()?.as_second();
        return Some((second, second));
    }
    let (first, last) = days(text)?;
    Some((first * DAY, last * DAY + DAY - 1))
}

/// The first and the last day.
fn period(text: &str) -> Option<(Date, Date)> {
    // Years before our era would begin with a sign.
    if !text.bytes().all(|c| c.is_ascii_digit() || c == b'-') || text.starts_with('-') {
        return None;
    }
    match text.len() {
        4 => {
            let year: i16 = text.parse().ok()?;
            Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?))
        }
        7 => {
            let first: Date = format!("{text}-01").parse().ok()?;
            Some((first, first.last_of_month()))
        }
        10 => text.parse().ok().map(|day| (day, day)),
        _ => None,
    }
}

fn day(date: Date) -> Option<i64> {
    let span = date.since((jiff::Unit::Day, Date::constant(1970, 1, 1))).ok()?;
    Some(i64::from(span.get_days()))
}

fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_sort_as_numbers_do() {
        assert_eq!(amount("10000"), Some((100_000_000, 100_000_000)));
        assert_eq!(amount("-0.5"), Some((-5000, -5000)));
        assert_eq!(amount("1.00005"), Some((10_001, 10_000)));
        assert_eq!(amount("-1.00005"), Some((-10_000, -10_001)));
        assert_eq!(amount("999999999999999999999999999999"), Some((i64::MAX, i64::MAX)));
        assert_eq!(amount("1.50000"), Some((15_000, 15_000)));
        for wrong in ["", "-", ".", "1.", ".5", "1,000", "1e3", "+1", "--1", "0x1", "١", &"9".repeat(33)] {
            assert_eq!(amount(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_month_is_all_of_its_days() {
        assert_eq!(days("1970-01-01"), Some((0, 0)));
        assert_eq!(days("1970"), Some((0, 364)));
        assert_eq!(days("1972-02"), Some((761, 789)));
        assert_eq!(days("0001-01-01"), Some((-719_162, -719_162)));
        assert_eq!(seconds("1970-01-02"), Some((86_400, 172_799)));
        assert_eq!(seconds("1970-01-02T00:00:01Z"), Some((86_401, 86_401)));
        for wrong in ["", "70", "1970-13", "1970-1", "1970-02-30", "yesterday", "-970", "1970-01-01-", "19700101"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ranges_have_their_ends_in_them_or_not_as_they_say() {
        let number = |text: &str| text.parse().ok().map(|number: i64| (number, number));
        for (text, expected) in [
            ("7", Some((7, 7))),
            (">7", Some((8, i64::MAX))),
            (">=7", Some((7, i64::MAX))),
            ("<7", Some((i64::MIN, 6))),
            ("<=7", Some((i64::MIN, 7))),
            ("7..9", Some((7, 9))),
            ("7..", Some((7, i64::MAX))),
            ("..9", Some((i64::MIN, 9))),
            ("..", None),
            ("", None),
            (">", None),
            ("7..9..11", None),
        ] {
            assert_eq!(range(text, number), expected, "{text}");
        }
        assert_eq!(range(">1.00005", amount), Some((10_001, i64::MAX)));
        assert_eq!(range("<1.00005", amount), Some((i64::MIN, 10_000)));
        assert_eq!(range("<2024", days), days("2023-12-31").map(|(_, last)| (i64::MIN, last)));
    }
}
