//! Foreign text for terminals.
//!
//! Origins and key names are chosen by strangers, and the specifications allow nearly everything in them: characters that move the
//! cursor or reverse the reading direction, and a hundred kilobytes of them. An error that quotes such a name must still say what it
//! says.

use std::fmt::{self, Write};

/// The most characters that are printed of a name.
const MAX_PRINTED: usize = 200;

/// Prints a name of somebody else's for people: what is not printable is escaped, as `\u{202e}`, and what is too long is cut.
///
/// ```
/// use tlog::printable::Printable;
///
/// assert_eq!(Printable("example.com/log").to_string(), "example.com/log");
/// assert_eq!(Printable("a\u{9b}2J\u{202e}").to_string(), "a\\u{9b}2J\\u{202e}");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, left: MAX_PRINTED }, "{}", self.0)
    }
}

/// Whether a terminal shows the character and does nothing else with it: not so for controls, and for what reorders or hides text.
///
/// For longer texts than names, of which no part is to be cut.
pub fn is_printable(c: char) -> bool {
    // Behind another character, marks that combine with it are printable.
    let mut pair = [b'a', 0, 0, 0, 0];
    let len = c.encode_utf8(&mut pair[1..]).len();
    let mut escaped = str::from_utf8(&pair[..=len]).map_or("", |pair| pair).escape_debug().skip(1);
    matches!(c, '\\' | '"' | '\'') || (escaped.next() == Some(c) && escaped.next().is_none())
}

/// What was printed so far, and how much more may be.
struct Escaping<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.out.write_char('…')?,
                _ if matches!(c, '"' | '\'') => self.out.write_char(c)?,
                // Escapes controls, format characters (of which the direction marks are some), private and unassigned ones.
                _ => write!(self.out, "{}", c.escape_debug())?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_printed() {
        let controls = (0..0x20).chain(0x7f..0xa0).chain([0x200e, 0x200f, 0x2028, 0x2029, 0xfeff]);
        let directions = (0x202a..=0x202e).chain(0x2066..=0x2069);
        for c in controls.chain(directions).filter_map(char::from_u32) {
            let printed = Printable(format!("a{c}b")).to_string();
            assert!(printed.chars().all(|c| c.is_ascii_graphic()) && printed.len() > 3, "{c:?} came out as {printed:?}");
        }
        for kept in ["example.com/log", "beschlüsse.example/d'or", "日本"] {
            assert_eq!(Printable(kept).to_string(), kept);
        }
    }

    #[test]
    fn text_is_printable_and_commands_are_not() {
        assert!("aé日\u{301}\\\"' \u{2026}".chars().all(is_printable));
        assert!(['\n', '\t', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{feff}'].into_iter().all(|c| !is_printable(c)));
    }

    #[test]
    fn a_long_name_is_cut() {
        let printed = Printable("l".repeat(100_000)).to_string();
        assert_eq!(printed.chars().count(), MAX_PRINTED);
        assert!(printed.ends_with('…'));
    }
}
