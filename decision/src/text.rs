//! Whether the text of a statement is what it looks like.
//!
//! Two texts that look the same and differ, or one that reads in another order than its bytes, deceive the people for whom decisions
//! are published. This is looked at when a log takes a statement in, and only then: tables of characters change with each version of
//! Unicode, and the rules of the [`ledger`](crate::ledger) must not.
//!
//! Markup is admitted. It is text; whoever shows it has to escape it.

use std::fmt;

use serde_json::Value;
use unicode_normalization::is_nfc;
use unicode_security::mixed_script::AugmentedScriptSet;

/// A text in a statement is not what it looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {reason}")]
pub struct BadText {
    /// Which field, such as `parties[0].name`.
    pub field: Box<str>,
    /// Why.
    pub reason: BadTextReason,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTextReason {
    /// Another normal form.
    #[error("the text is not in Unicode's normal form C, in which each character has one spelling: normalize it (NFC) before you sign")]
    NotNfc,
    /// A control character other than newline and tab.
    #[error("the text has the control character {0}: take it out before you sign")]
    Control(CodePoint),
    /// Text that is shown in another order than it is written.
    #[error("the text has {0}, which makes it read in another order than it is written: take it out before you sign")]
    Bidirectional(CodePoint),
    /// Something that nobody sees.
    #[error("the text has the invisible character {0}: take it out before you sign")]
    Invisible(CodePoint),
    /// A word of two scripts.
    #[error("a word of the text mixes scripts, such as Latin and Cyrillic letters, at {0}: one of its letters is not what it looks like")]
    MixedScripts(CodePoint),
}

impl BadText {
    /// All short names.
    pub const NAMES: &[&str] = &["not-nfc", "control-character", "bidirectional-override", "invisible-character", "mixed-scripts"];

    /// A stable short name, one of [`BadText::NAMES`].
    pub fn name(&self) -> &'static str {
        match self.reason {
            BadTextReason::NotNfc => "not-nfc",
            BadTextReason::Control(_) => "control-character",
            BadTextReason::Bidirectional(_) => "bidirectional-override",
            BadTextReason::Invisible(_) => "invisible-character",
            BadTextReason::MixedScripts(_) => "mixed-scripts",
        }
    }
}

/// A character that is better not shown as itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePoint(pub char);

impl fmt::Display for CodePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

/// Checks every text in a line of JSON, names of members included.
///
/// ```
/// let error = decision::text::check(r#"{"parties":[{"name":"P\u0430ul"}]}"#).unwrap_err();
/// assert_eq!((&*error.field, error.name()), ("parties[0].name", "mixed-scripts"), "its second letter is Cyrillic");
/// assert!(decision::text::check(r#"{"subject":"Пожарная часть, 3 <b>"}"#).is_ok());
/// ```
pub fn check(json: &str) -> Result<(), BadText> {
    // ASCII without escapes has nothing of all this; most statements are that.
    if json.is_ascii()
        && !json.contains("\\u")
        && !json.contains(['\u{7f}'])
        && !json.contains("\\b")
        && !json.contains("\\f")
        && !json.contains("\\r")
    {
        return Ok(());
    }
    // What is no JSON has no texts; that it is none is found elsewhere.
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    check_value(&value, &mut Path::default())
}

/// Where in a statement something is.
#[derive(Debug, Default)]
struct Path(String);

impl Path {
    fn within<T>(&mut self, part: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.0.len();
        if length > 0 && !part.starts_with('[') {
            self.0.push('.');
        }
        self.0.push_str(part);
        let result = then(self);
        self.0.truncate(length);
        result
    }

    fn bad(&self, reason: BadTextReason) -> BadText {
        BadText { field: tlog::printable::Printable(&self.0).to_string().into(), reason }
    }
}

fn check_value(value: &Value, path: &mut Path) -> Result<(), BadText> {
    match value {
        Value::String(text) => check_text(text).map_err(|reason| path.bad(reason)),
        Value::Array(values) => {
            values.iter().enumerate().try_for_each(|(at, value)| path.within(&format!("[{at}]"), |path| check_value(value, path)))
        }
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            path.within(name, |path| {
                check_text(name).map_err(|reason| path.bad(reason))?;
                check_value(value, path)
            })
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), BadTextReason> {
    for c in text.chars() {
        match c {
            '\n' | '\t' => {}
            c if c.is_control() => return Err(BadTextReason::Control(CodePoint(c))),
            // Embeddings, overrides and isolates. The marks U+200E, U+200F and U+061C only settle the order of what is beside them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => return Err(BadTextReason::Bidirectional(CodePoint(c))),
            c if is_invisible(c) => return Err(BadTextReason::Invisible(CodePoint(c))),
            _ => {}
        }
    }
    if text.is_ascii() {
        return Ok(());
    }
    if !is_nfc(text) {
        return Err(BadTextReason::NotNfc);
    }
    text.split(|c: char| !c.is_alphanumeric()).try_for_each(check_word)
}

/// Zero-width space, word joiner and invisible operators, byte order mark, fillers, tags, variation selectors but for those of emoji and
/// text, and code points that are no characters. Joiners (U+200C, U+200D) and the soft hyphen belong to the spelling of some languages.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        | '\u{180e}' | '\u{fe00}'..='\u{fe0d}' | '\u{e0000}'..='\u{e01ef}' | '\u{fdd0}'..='\u{fdef}' | '\u{2028}' | '\u{2029}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// The letters of a word share a script (UTS 39 section 5.1; scripts that are written together, as those of Japanese, count as one), or
/// are Latin beside one of those of East Asia.
fn check_word(word: &str) -> Result<(), BadTextReason> {
    if word.is_ascii() {
        return Ok(());
    }
    let mut scripts = AugmentedScriptSet::default();
    for c in word.chars() {
        scripts.intersect_with(AugmentedScriptSet::for_char(c));
        if scripts.is_empty() {
            return if is_with_east_asian(word) { Ok(()) } else { Err(BadTextReason::MixedScripts(CodePoint(c))) };
        }
    }
    Ok(())
}

fn is_with_east_asian(word: &str) -> bool {
    let other: String = word.chars().filter(|c| !is_latin(*c)).collect();
    let scripts = AugmentedScriptSet::for_str(&other);
    !scripts.is_empty() && (scripts.jpan || scripts.kore || scripts.hanb)
}

fn is_latin(c: char) -> bool {
    AugmentedScriptSet::for_char(c) == AugmentedScriptSet::for_char('a')
}

#[cfg(test)]
mod tests;
