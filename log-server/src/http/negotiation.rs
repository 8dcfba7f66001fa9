//! What the client accepts: codings of a body, the form of an answer, and the version that it has already (RFC 9110).

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH};

/// The media type of a receipt.
pub(crate) const RECEIPT: &str = "application/vnd.c2sp.tlog-proof";

/// A compression of entry bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    Zstd,
    Gzip,
}

impl Coding {
    /// What the client accepts, if anything: zstd before gzip where it likes both the same.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Coding> {
        let mut best: Option<(Quality, Coding)> = None;
        for (name, quality) in elements(headers, ACCEPT_ENCODING) {
            let coding = match name {
                _ if name.eq_ignore_ascii_case("zstd") => Coding::Zstd,
                _ if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Coding::Gzip,
                _ => continue,
            };
            let better = best.is_none_or(|(than, _)| quality > than || (quality == than && coding == Coding::Zstd));
            if quality > Quality(0) && better {
                best = Some((quality, coding));
            }
        }
        best.map(|(_, coding)| coding)
    }

    /// The value of `Content-Encoding`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }
}

/// Whether the client asks for a receipt rather than an index: by `Accept` or by `?receipt`.
pub(crate) fn wants_receipt(headers: &HeaderMap, query: Option<&str>) -> bool {
    let asked = query.is_some_and(|query| query.split('&').any(|pair| pair == "receipt" || pair.starts_with("receipt=")));
    asked || elements(headers, ACCEPT).any(|(name, quality)| name.eq_ignore_ascii_case(RECEIPT) && quality > Quality(0))
}

/// Whether the client has the version with this entity tag already. The comparison is weak, as RFC 9110 section 13.1.2 has it.
pub(crate) fn has_version(headers: &HeaderMap, tag: &str) -> bool {
    list(headers, IF_NONE_MATCH).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// A weight from 0 to 1 in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Quality(u16);

/// The elements of a list header, each with its weight.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, Quality)> {
    list(headers, name).map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (name, weight.map_or(Quality(1000), quality))
    })
}

fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// `0`, `1`, or `0.` and up to three digits. What cannot be read counts as nothing wanted.
fn quality(text: &str) -> Quality {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|c| c.is_ascii_digit());
    match (whole, digits) {
        ("1", true) => Quality(1000),
        ("0", true) => Quality(format!("{decimals:0<3}").parse().unwrap_or(0)),
        _ => Quality(0),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn accepted(value: &'static str) -> Option<Coding> {
        Coding::accepted(&headers(ACCEPT_ENCODING, value))
    }

    #[test]
    fn the_coding_that_the_client_likes_best_is_taken() {
        assert_eq!(accepted("gzip"), Some(Coding::Gzip));
        assert_eq!(accepted("gzip, zstd"), Some(Coding::Zstd));
        assert_eq!(accepted("zstd, gzip"), Some(Coding::Zstd));
        assert_eq!(accepted("gzip, deflate, br, ZSTD;q=0.5"), Some(Coding::Gzip));
        assert_eq!(accepted("gzip;q=0.5, zstd;q=0.501"), Some(Coding::Zstd));
        assert_eq!(accepted("identity"), None);
        assert_eq!(accepted("gzip;q=0, zstd;q=0.000"), None);
        assert_eq!(accepted("gzip;q=nonsense"), None);
        assert_eq!(accepted("gzip ; q=1.0"), Some(Coding::Gzip));
        assert_eq!(accepted(""), None);
        assert_eq!(accepted("br"), None);
        assert_eq!(Coding::accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn a_receipt_is_asked_for_by_type_or_query() {
        let none = HeaderMap::new();
        assert!(wants_receipt(&headers(ACCEPT, "text/plain;q=0.5, application/vnd.c2sp.tlog-proof"), None));
        assert!(wants_receipt(&none, Some("receipt")));
        assert!(wants_receipt(&none, Some("a=b&receipt=1")));
        assert!(!wants_receipt(&none, None));
        assert!(!wants_receipt(&none, Some("noreceipt")));
        assert!(!wants_receipt(&headers(ACCEPT, "*/*"), None), "a client that takes anything gets the short answer");
        assert!(!wants_receipt(&headers(ACCEPT, "application/vnd.c2sp.tlog-proof;q=0"), None));
    }

    #[test]
    fn a_known_version_is_recognized_in_each_spelling() {
        for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", "\"b\",W/\"a\""] {
            assert!(has_version(&headers(IF_NONE_MATCH, value), "\"a\""), "{value}");
        }
        for value in ["\"b\"", "a", "\"a", ""] {
            assert!(!has_version(&headers(IF_NONE_MATCH, value), "\"a\""), "{value}");
        }
    }
}
