//! Standard base64 (RFC 4648 section 4), strictly: canonical padding, no trailing bits, no white space. One value has one encoding,
//! so what is parsed and printed again is what was read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Encodes with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes the one canonical encoding; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
