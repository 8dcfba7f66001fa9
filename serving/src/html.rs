//! Text in pages.

/// Appends `text` as it stands between tags and in attributes.
pub fn escape(text: &str, out: &mut String) {
    text.chars().for_each(|c| escape_char(c, out));
}

/// The same for one character.
pub fn escape_char(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_markup() {
        let mut out = String::new();
        escape("<a href=\"x\" title='y'>é & ü</a>", &mut out);
        assert_eq!(out, "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;é &amp; ü&lt;/a&gt;");
    }
}
