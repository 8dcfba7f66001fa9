//! The canonical form of JSON (RFC 8785).

/// Why a text is not canonical JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCanonical {
    /// Not JSON, or in another form.
    #[error("the statement is not JSON in its canonical form (RFC 8785)")]
    Other,
}

impl NotCanonical {
    /// A stable short name.
    pub fn name(&self) -> &'static str {
        "not-canonical"
    }
}

/// Checks that `text` is one JSON object in canonical form.
pub fn check(text: &str) -> Result<(), NotCanonical> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| NotCanonical::Other)?;
    if value.is_object() && to_string(&value)? == text { Ok(()) } else { Err(NotCanonical::Other) }
}

/// The canonical form of a value.
pub fn to_string(value: &serde_json::Value) -> Result<String, NotCanonical> {
    serde_json_canonicalizer::to_string(value).map_err(|_| NotCanonical::Other)
}
