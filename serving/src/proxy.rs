//! Who asks: the address of the client, also behind a proxy that is trusted to name it.
//!
//! Anybody can write any header, so a header counts only in a request that comes from a trusted proxy, only the one header that the proxy
//! is known to set counts, and of a list only the part that trusted proxies added: from its end up to the first address that is not one
//! of theirs.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::address::AddressRange;

/// Whose word on the client's address is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// Addresses of proxies.
    pub trusted: Vec<AddressRange>,
    /// The header in which they name the client.
    pub header: ForwardedHeader,
}

/// The header by which a trusted proxy names the client. Only one is read: a proxy that sets one may pass the other through from the
/// client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`.
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// `Forwarded: for=client` (RFC 7239).
    #[serde(rename = "forwarded")]
    Forwarded,
}

/// The client's address, as far as it can be believed.
pub fn address(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let trusted = |address: IpAddr| proxies.trusted.iter().any(|range| range.contains(address));
    if proxies.trusted.is_empty() || !trusted(peer) {
        return peer;
    }
    let (name, parse): (_, fn(&str) -> Option<IpAddr>) = match proxies.header {
        ForwardedHeader::XForwardedFor => ("x-forwarded-for", node),
        ForwardedHeader::Forwarded => ("forwarded", forwarded_for),
    };
    let mut client = peer;
    for value in headers.get_all(name).iter().rev() {
        for element in value.to_str().unwrap_or_default().rsplit(',') {
            match parse(element.trim()) {
                Some(address) if trusted(address) => client = address,
                Some(address) => return address,
                // Unknown or hidden: the last address that is known has to answer for it.
                None => return client,
            }
        }
    }
    client
}

/// The `for` of one element of RFC 7239's `Forwarded`. Addresses have neither `;` nor `,`, so quotes need no more than to be taken off.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case("for").then(|| node(value.trim_matches('"'))).flatten()
    })
}

/// An address, perhaps with a port, IPv6 perhaps in brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn seen(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &'static str)]) -> String {
        let proxies = Proxies { trusted: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], header };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_stranger_is_who_it_is_whatever_it_writes() {
        let seen = seen("192.0.2.1", ForwardedHeader::XForwardedFor, &[("x-forwarded-for", "203.0.113.9")]);
        assert_eq!(seen, "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        let x = |value| seen("10.0.0.1", ForwardedHeader::XForwardedFor, &[("x-forwarded-for", value)]);
        assert_eq!(x("203.0.113.9"), "203.0.113.9");
        assert_eq!(x("203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(x("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(x("2001:db8::1"), "2001:db8::1");
        assert_eq!(x("198.51.100.1, 203.0.113.9"), "203.0.113.9", "what the client wrote itself is not believed");
        assert_eq!(x("198.51.100.1, 203.0.113.9, 10.3.2.1"), "203.0.113.9", "a second proxy of ours is skipped");
        assert_eq!(x("10.7.7.7"), "10.7.7.7", "a client in our own network");
        assert_eq!(x("203.0.113.9, unknown, 10.3.2.1"), "10.3.2.1");
        assert_eq!(x(""), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", ForwardedHeader::XForwardedFor, &[]), "10.0.0.1");
    }

    #[test]
    fn lines_of_the_same_header_are_one_list() {
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9, 10.3.2.1")];
        assert_eq!(seen("10.0.0.1", ForwardedHeader::XForwardedFor, &lines), "203.0.113.9");
    }

    #[test]
    fn rfc_7239_is_read_when_it_is_what_the_proxy_sets() {
        let f = |value| seen("10.0.0.1", ForwardedHeader::Forwarded, &[("forwarded", value), ("x-forwarded-for", "198.51.100.1")]);
        assert_eq!(f("for=203.0.113.9"), "203.0.113.9");
        assert_eq!(f("For=\"[2001:db8::1]:4711\""), "2001:db8::1");
        assert_eq!(f("for=198.51.100.1;proto=https, proto=http;for=203.0.113.9;by=10.0.0.1"), "203.0.113.9");
        assert_eq!(f("for=_hidden"), "10.0.0.1");
        assert_eq!(f("by=203.0.113.9"), "10.0.0.1");
        let other = seen("10.0.0.1", ForwardedHeader::XForwardedFor, &[("forwarded", "for=203.0.113.9")]);
        assert_eq!(other, "10.0.0.1", "the header that the proxy does not set may be the client's");
    }
}
