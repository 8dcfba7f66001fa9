//! The part of an address after the question mark: names and values, each known or an error.

use std::fmt;

/// Longer queries have nothing in them that is asked here.
const MAX_QUERY: usize = 8192;

/// More parameters than any resource has.
const MAX_PARAMETERS: usize = 32;

/// A longer text in an error would only repeat what the client knows.
const MAX_SHOWN: usize = 80;

/// A parameter that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadParameter {
    name: Box<str>,
    at: Option<usize>,
    reason: Box<str>,
}

/// The parameters of one request, taken out one by one by those who know them.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl BadParameter {
    /// What is wrong with the parameter `name`, in a sentence that says what to write.
    pub(crate) fn new(name: &str, reason: impl fmt::Display) -> Self {
        BadParameter { name: shown(name).into(), at: None, reason: reason.to_string().into() }
    }

    /// The same, at so many characters from the value's beginning.
    #[must_use]
    pub(crate) fn at_character(self, at: usize) -> Self {
        BadParameter { at: Some(at), ..self }
    }

    /// The parameter.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where in its value, in characters.
    pub(crate) fn at(&self) -> Option<usize> {
        self.at
    }
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.name, self.reason)
    }
}

impl Parameters {
    /// Those of a query, as forms encode them.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, BadParameter> {
        let query = query.unwrap_or_default();
        if query.len() > MAX_QUERY {
            return Err(BadParameter::new("", "the address is too long: ask for less at a time"));
        }
        let mut all: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            let name = name.ok_or_else(|| BadParameter::new("", "the address is not UTF-8 in percent encoding"))?;
            let value = value.ok_or_else(|| BadParameter::new(&name, "the value is not UTF-8 in percent encoding"))?;
            if all.iter().any(|(known, _)| *known == name) {
                return Err(BadParameter::new(&name, "this parameter is there twice: write it once"));
            }
            if all.len() == MAX_PARAMETERS {
                return Err(BadParameter::new(&name, "there are too many parameters"));
            }
            all.push((name, value));
        }
        Ok(Parameters(all))
    }

    /// The value of a parameter, if it is there and not empty.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_empty())
    }

    /// The same, parsed. The error of the parsing has to say what to write.
    pub(crate) fn take_as<T: std::str::FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<Option<T>, BadParameter> {
        self.take(name).map(|value| value.parse().map_err(|error| BadParameter::new(name, error))).transpose()
    }

    /// A number of results from 1 to `most`.
    pub(crate) fn limit(&mut self, default: usize, most: usize) -> Result<usize, BadParameter> {
        let Some(value) = self.take("limit") else { return Ok(default) };
        let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| BadParameter::new("limit", format_args!("write a number from 1 to {most}")))
    }

    /// Refuses what nobody has taken. `known` are all that there are, for the error.
    pub(crate) fn finish(self, known: &[&str]) -> Result<(), BadParameter> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) if known.is_empty() => Err(BadParameter::new(name, "there are no parameters here: take it away")),
            Some((name, _)) => {
                Err(BadParameter::new(name, format_args!("there is no such parameter here; there are {}", known.join(", "))))
            }
        }
    }
}

/// The text that forms encode so: percent signs with two digits, and plus signs for spaces.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// What a client wrote, short, for an answer to itself.
fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn values_are_decoded_and_what_nobody_knows_is_an_error() {
        let mut all = Parameters::parse(Some("q=a+b%20c%2B%C3%A9&limit=7&&from=")).unwrap();
        assert_eq!(all.take("q").as_deref(), Some("a b c+é"));
        assert_eq!(all.limit(20, 100), Ok(7));
        assert_eq!(all.take("from"), None, "an empty value says nothing");
        assert_eq!(all.finish(&[]), Ok(()));
        let error = Parameters::parse(Some("isuer=x")).unwrap().finish(&["issuer", "limit"]).unwrap_err();
        assert_eq!(error.to_string(), "`isuer`: there is no such parameter here; there are issuer, limit");
    }

    #[test]
    fn hostile_queries_are_refused() {
        for query in [
            "q=%",
            "q=%4",
            "q=%zz",
            "q=%ff",
            "%ff=1",
            "q=1&q=2",
            &"x".repeat(MAX_QUERY + 1),
            "a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&A&B&C&D&E&F&G",
        ] {
            assert!(Parameters::parse(Some(query)).is_err(), "{query}");
        }
        for limit in ["0", "-1", "101", "x", "1e2", "99999999999999999999"] {
            assert!(Parameters::parse(Some(&format!("limit={limit}"))).unwrap().limit(20, 100).is_err(), "{limit}");
        }
        let hostile = BadParameter::new(&"\u{1b}[2J".repeat(100), "x");
        assert!(hostile.name().chars().count() <= MAX_SHOWN && !hostile.to_string().contains('\u{1b}'));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_asked_is_parsed_or_refused(query in ".*") {
            let _ = Parameters::parse(Some(&query));
        }
    }
}
