//! Foreign text where people read it: it is shown and does nothing.

use tlog::printable::is_printable;

/// A text in one line of at most `most` characters: what controls, reorders or hides text is replaced, and what is too long is cut.
pub(crate) fn inert(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    let mut space = true;
    for (count, c) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        match c {
            ' ' | '\n' | '\t' | '\r' if space => {}
            ' ' | '\n' | '\t' | '\r' => shown.push(' '),
            c if is_printable(c) => shown.push(c),
            _ => shown.push('\u{fffd}'),
        }
        space = shown.ends_with(' ') || shown.is_empty();
    }
    shown
}

/// So many findings, in words.
pub(crate) fn findings(count: u64) -> String {
    if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") }
}

/// How many there were of an alert, and how many of them there are.
pub(crate) fn found(since: impl std::fmt::Display, found: u64, open: u64) -> String {
    let rest = match (found, open) {
        (1, 1) => "and it is open".to_owned(),
        (1, 0) => "and it is resolved".to_owned(),
        (_, open) => format!("{open} of them open"),
    };
    format!("{} since {since}, {rest}.", findings(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        assert_eq!([0, 1, 2].map(findings), ["0 findings", "1 finding", "2 findings"]);
        assert_eq!(found("today", 1, 1), "1 finding since today, and it is open.");
        assert_eq!(found("today", 1, 0), "1 finding since today, and it is resolved.");
        assert_eq!(found("today", 2, 1), "2 findings since today, 1 of them open.");
    }

    #[test]
    fn what_does_something_to_a_reader_is_replaced() {
        assert_eq!(inert("Straße 1 – «ok» 日本", 100), "Straße 1 – «ok» 日本");
        assert_eq!(inert("a\r\nBcc: b\u{0}\u{1b}[2J\u{202e}x", 100), "a Bcc: b\u{fffd}\u{fffd}[2J\u{fffd}x");
        assert_eq!(inert("abcdef", 3), "abc…");
        assert_eq!(inert("\n\n  a", 10), "a");
    }
}
