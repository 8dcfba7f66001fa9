//! Foreign text for a terminal, without losing what it says.
//!
//! Paths and texts of strangers may hold characters that move the cursor, or that reverse the reading direction. Names are printed
//! through [`Printable`](tlog::printable::Printable), which also cuts them; what must stay whole is printed through this module.

use std::fmt::Write;
use std::path::Path;

use tlog::printable::is_printable;

/// A path in one line; what is not printable is escaped, as `\u{202e}`.
pub fn path(path: &Path) -> String {
    line(&path.display().to_string())
}

/// A text in one line and whole; what is not printable is escaped, as `\u{202e}`.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    out
}

/// JSON that says the same and does nothing to a terminal: what is not printable is spelt `\uXXXX`. It can stand in strings only.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || is_printable(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_path_is_shown_in_one_line_and_whole() {
        assert_eq!(path(Path::new("a\nb/\u{9b}2J\u{202e}é")), "a\\u{a}b/\\u{9b}2J\\u{202e}é");
        assert_eq!(path(Path::new(&"x/".repeat(500))).len(), 1000);
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({ "a\u{202e}": "\u{9b}2J \u{e0001} \" \\ \n é" });
        let text = json(&value.to_string());
        assert!(text.chars().all(is_printable), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
