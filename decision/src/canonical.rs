//! The canonical form of JSON (RFC 8785): the one spelling that a value has.
//!
//! [`check`] reads a text once and says whether it is in that form, and if not, where and why. It builds nothing, so it costs a fraction
//! of parsing, and whatever passes it is free of the ambiguities on which JSON parsers differ: members that occur twice, numbers that do
//! not fit, escapes that hide a character.
//!
//! Invariant: `check(text)` succeeds exactly if `text` is an object that is parsed and printed as itself by [`to_string`].

use serde_json::Value;

/// How deep arrays and objects may be nested in a statement, the outermost object counted.
pub const MAX_DEPTH: usize = 16;

/// The largest integer that all readers of JSON agree on: 2^53 − 1.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// Why a text is not canonical JSON. Positions are in bytes, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCanonical {
    /// Not JSON at all.
    #[error("this is not JSON, from byte {0} on")]
    Malformed(usize),
    /// JSON, but not an object.
    #[error("a statement is a JSON object, with its members between curly brackets")]
    NotAnObject,
    /// Something after the object.
    #[error("there is more than one JSON value: the second one starts at byte {0}")]
    MoreThanOne(usize),
    /// Space between the parts.
    #[error("canonical JSON (RFC 8785) has no spaces between its parts: there is one at byte {0}")]
    Space(usize),
    /// Members in another order.
    #[error("canonical JSON (RFC 8785) sorts the members of an object by their names: the one at byte {0} comes too late")]
    Unsorted(usize),
    /// A member twice.
    #[error("a member occurs twice in one object: the second one is at byte {0}")]
    Duplicate(usize),
    /// Another escape than the one that the character has, or one where it has none.
    #[error("canonical JSON (RFC 8785) writes the character at byte {0} in another way")]
    Escape(usize),
    /// A number in another form.
    #[error("canonical JSON (RFC 8785) writes the number at byte {0} in another way")]
    Number(usize),
    /// An integer that not all readers represent.
    #[error("the number at byte {0} is beyond the integers that every reader of JSON represents exactly, 2^53 − 1: write it as text")]
    Inexact(usize),
    /// Nested too deep.
    #[error("arrays and objects may be nested {MAX_DEPTH} deep, the outermost counted: byte {0} is deeper")]
    TooDeep(usize),
    /// A value that has no canonical form.
    #[error("the value has no form in canonical JSON (RFC 8785)")]
    NoForm,
}

impl NotCanonical {
    /// All short names.
    pub const NAMES: &[&str] = &["malformed-json", "not-an-object", "not-canonical", "duplicate-member", "inexact-number", "too-deep"];

    /// A stable short name, one of [`NotCanonical::NAMES`].
    pub fn name(&self) -> &'static str {
        match self {
            NotCanonical::Malformed(_) | NotCanonical::MoreThanOne(_) => "malformed-json",
            NotCanonical::NotAnObject => "not-an-object",
            NotCanonical::Space(_)
            | NotCanonical::Unsorted(_)
            | NotCanonical::Escape(_)
            | NotCanonical::Number(_)
            | NotCanonical::NoForm => "not-canonical",
            NotCanonical::Duplicate(_) => "duplicate-member",
            NotCanonical::Inexact(_) => "inexact-number",
            NotCanonical::TooDeep(_) => "too-deep",
        }
    }
}

/// Prints an object in canonical form.
///
/// ```
/// use decision::canonical::to_string;
/// use serde_json::json;
///
/// assert_eq!(to_string(&json!({"outcome": "granted", "amount": 1.50})).unwrap(), r#"{"amount":1.5,"outcome":"granted"}"#);
/// assert!(to_string(&json!({"amount": 9_007_199_254_740_993_u64})).is_err(), "not all readers can tell it from its neighbours");
/// ```
pub fn to_string(value: &Value) -> Result<String, NotCanonical> {
    let text = serde_json_canonicalizer::to_string(value).map_err(|_| NotCanonical::NoForm)?;
    // The printer rounds integers that do not fit; whoever wrote one meant another.
    exact(value)?;
    check(&text)?;
    Ok(text)
}

/// Whether all integers are exact.
fn exact(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Number(number) => {
            let fits = number.as_i64().map(i64::unsigned_abs).or(number.as_u64()).is_none_or(|magnitude| magnitude <= MAX_EXACT);
            if fits { Ok(()) } else { Err(NotCanonical::Inexact(0)) }
        }
        Value::Array(values) => values.iter().try_for_each(exact),
        Value::Object(members) => members.values().try_for_each(exact),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// Checks that `text` is one JSON object in canonical form, with exact integers and not too deep.
///
/// ```
/// use decision::canonical::{NotCanonical, check};
///
/// assert_eq!(check(r#"{"a":1,"b":[true,null]}"#), Ok(()));
/// assert_eq!(check(r#"{"a":1,"a":2}"#), Err(NotCanonical::Duplicate(7)));
/// assert_eq!(check(r#"{"a": 1}"#), Err(NotCanonical::Space(5)));
/// assert_eq!(check(r#"{"b":1,"a":2}"#), Err(NotCanonical::Unsorted(7)));
/// ```
pub fn check(text: &str) -> Result<(), NotCanonical> {
    let mut scanner = Scanner { text, at: 0 };
    match scanner.peek() {
        Some(b'{') => scanner.value(1)?,
        Some(b' ' | b'\t' | b'\r' | b'\n') => return Err(NotCanonical::Space(0)),
        Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => return Err(NotCanonical::NotAnObject),
        _ => return Err(NotCanonical::Malformed(0)),
    }
    match scanner.peek() {
        None => Ok(()),
        Some(b' ' | b'\t' | b'\r' | b'\n') => Err(NotCanonical::Space(scanner.at)),
        Some(_) => Err(NotCanonical::MoreThanOne(scanner.at)),
    }
}

/// Reads a text from front to back.
struct Scanner<'a> {
    text: &'a str,
    /// The next byte; what lies before it is in order.
    at: usize,
}

impl<'a> Scanner<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    /// What to say of a byte that is not the one that must come.
    fn unexpected(&self) -> NotCanonical {
        match self.peek() {
            Some(b' ' | b'\t' | b'\r' | b'\n') => NotCanonical::Space(self.at),
            _ => NotCanonical::Malformed(self.at),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotCanonical> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    /// A value, inside of `depth` − 1 arrays and objects. The recursion is bounded by [`MAX_DEPTH`].
    fn value(&mut self, depth: usize) -> Result<(), NotCanonical> {
        match self.peek() {
            Some(b'{' | b'[') if depth > MAX_DEPTH => Err(NotCanonical::TooDeep(self.at)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), NotCanonical> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(NotCanonical::Malformed(self.at))
    }

    fn array(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.expect(b']'),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<&'a str> = None;
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let name = self.string()?;
            if let Some(before) = before {
                match order(before, name) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => return Err(NotCanonical::Duplicate(start)),
                    std::cmp::Ordering::Greater => return Err(NotCanonical::Unsorted(start)),
                }
            }
            before = Some(name);
            self.expect(b':')?;
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.expect(b'}'),
            }
        }
    }

    /// A string; gives what stands between the quotation marks.
    fn string(&mut self) -> Result<&'a str, NotCanonical> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let content = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(content);
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) | None => return Err(NotCanonical::Malformed(self.at)),
                Some(_) => self.at += 1,
            }
        }
    }

    /// RFC 8785 section 3.2.2.2: seven characters have escapes of two, other control characters have \u00 and two lower-case digits.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.bytes()[self.at + 1..];
        match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => {
                let control = match [a, b, c, d] {
                    [b'0', b'0', b'0', low] => matches!(low, b'0'..=b'7' | b'b' | b'e' | b'f'),
                    [b'0', b'0', b'1', low] => matches!(low, b'0'..=b'9' | b'a'..=b'f'),
                    _ => false,
                };
                if !control {
                    return Err(NotCanonical::Escape(self.at));
                }
                self.at += 6;
            }
            [b'/', ..] => return Err(NotCanonical::Escape(self.at)),
            _ => return Err(NotCanonical::Malformed(self.at)),
        }
        Ok(())
    }

    /// RFC 8785 section 3.2.2.3: as ECMAScript prints the nearest double.
    fn number(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        let length = self.bytes()[start..].iter().take_while(|c| matches!(c, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
        self.at += length;
        let number = &self.text[start..self.at];
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.bytes().all(|c| c.is_ascii_digit()) && !digits.is_empty() {
            return integer(digits, digits.len() != number.len(), start);
        }
        // Whatever has a fraction or an exponent is rare: it is parsed and printed.
        let parsed: Value = serde_json::from_str(number).map_err(|_| NotCanonical::Malformed(start))?;
        match serde_json_canonicalizer::to_string(&parsed) {
            Ok(printed) if printed == number => Ok(()),
            _ => Err(NotCanonical::Number(start)),
        }
    }
}

/// An integer without exponent. Beyond 10^21 ECMAScript would print an exponent, but what is beyond exact integers is refused before.
fn integer(digits: &str, negative: bool, at: usize) -> Result<(), NotCanonical> {
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(NotCanonical::Malformed(at));
    }
    if negative && digits == "0" {
        return Err(NotCanonical::Number(at));
    }
    match digits.parse::<u64>() {
        Ok(magnitude) if magnitude <= MAX_EXACT => Ok(()),
        _ => Err(NotCanonical::Inexact(at)),
    }
}

/// RFC 8785 section 3.2.3: names are compared by their UTF-16 code units. `one` and `other` are canonical but still have their escapes.
fn order(one: &str, other: &str) -> std::cmp::Ordering {
    let plain = |name: &str| name.is_ascii() && !name.contains('\\');
    if plain(one) && plain(other) {
        return one.cmp(other);
    }
    units(one).cmp(&units(other))
}

fn units(name: &str) -> Vec<u16> {
    let quoted = format!("\"{name}\"");
    let text: String = serde_json::from_str(&quoted).expect("its escapes were checked");
    text.encode_utf16().collect()
}

#[cfg(test)]
mod tests;
