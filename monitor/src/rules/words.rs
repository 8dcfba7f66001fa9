//! Texts as they are compared: without case and accents, word by word.

use tlog::printable::is_printable;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A text in lower case and without accents. What looks the same in print, such as `ﬁ` and `fi`, is the same, and what is not seen at all is
/// not there: with an invisible mark in the middle of a word it would not be found.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let is_seen = |c: &char| !is_combining_mark(*c) && (is_printable(*c) || c.is_whitespace());
    for c in text.nfkd().filter(is_seen).flat_map(char::to_lowercase) {
        match c {
            // Letters that people write with others where they do not have them.
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'ø' => plain.push('o'),
            'đ' | 'ð' => plain.push('d'),
            'ł' => plain.push('l'),
            'ı' => plain.push('i'),
            // Lower-casing can bring a mark back.
            c if is_combining_mark(c) => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Words that are looked for, in this order and next to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    words: Vec<String>,
    written: Box<str>,
}

/// A text that words are looked for in.
#[derive(Clone, Debug)]
pub(super) struct Text(Vec<String>);

impl Phrase {
    /// `None` if there is no word in it.
    pub(super) fn new(text: &str) -> Option<Self> {
        let words = split(text);
        (!words.is_empty()).then(|| Phrase { words, written: text.trim().into() })
    }

    /// As it was written.
    pub(super) fn written(&self) -> &str {
        &self.written
    }
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        Text(split(text))
    }

    /// Whether the phrase is in it, as whole words.
    pub(super) fn has(&self, phrase: &Phrase) -> bool {
        self.0.windows(phrase.words.len()).any(|window| window == phrase.words)
    }
}

fn split(text: &str) -> Vec<String> {
    let plain = plain(text);
    plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_matter() {
        for (text, wanted) in [
            ("Café", "cafe"),
            ("CAFE\u{301}", "cafe"),
            ("Straße", "strasse"),
            ("Ærøskøbing", "aeroskobing"),
            ("İstanbul", "istanbul"),
            ("ﬁnance", "finance"),
            ("Łódź", "lodz"),
            ("Ελλάδα", "ελλαδα"),
            ("東京", "東京"),
            ("har\u{200b}b\u{ad}o\u{2060}u\u{202e}r\u{feff}", "harbour"),
            ("old\u{a0}har\u{200d}bour", "old harbour"),
        ] {
            assert_eq!(plain(text), wanted, "{text}");
        }
    }

    #[test]
    fn words_are_whole_and_in_their_order() {
        let text = Text::new("Réfection du Vieux-Port, côté sud; cafétéria");
        let has = |words: &str| Phrase::new(words).is_some_and(|phrase| text.has(&phrase));
        assert!(has("vieux port") && has("VIEUX-PORT") && has("sud") && has("cafeteria"));
        assert!(!has("port vieux") && !has("cafe") && !has("vieux sud") && !has("por") && !has("vieux port sud"));
        assert_eq!(Phrase::new(" – "), None);
        assert!(!Text::new("").has(&Phrase::new("a").unwrap_or_else(|| unreachable!())));
    }
}
