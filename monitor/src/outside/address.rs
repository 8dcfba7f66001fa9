//! Which addresses are public, and which others the configuration allows.
//!
//! SPEC: the registries of special-purpose addresses of IANA (RFC 6890 and its updates). What is not known to be public is refused.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use reqwest::Url;
use serving::address::AddressRange;

use super::OutsideError;

/// Why an address is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPublic {
    /// The address.
    pub address: IpAddr,
    /// What it belongs to.
    pub network: &'static str,
}

/// IPv4 networks that are not the public internet.
const REFUSED_V4: [(&str, &str); 16] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private networks"),
    ("100.64.0.0/10", "the inner networks of providers"),
    ("127.0.0.0/8", "the monitor's own machine"),
    ("169.254.0.0/16", "the link, where clouds keep their secrets"),
    ("172.16.0.0/12", "private networks"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "relays into other networks"),
    ("192.168.0.0/16", "private networks"),
    ("198.18.0.0/15", "benchmarks"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "groups of receivers"),
    ("240.0.0.0/4", "reserved addresses"),
    ("255.255.255.255/32", "everybody on the link"),
];

/// IPv6 networks within the public ones that are not public themselves. What is outside of `2000::/3` is refused as a whole: loopback,
/// unspecified, unique local, link-local, multicast, and all that translates to IPv4 (`64:ff9b::/96`, `64:ff9b:1::/48`, `::/96`).
const REFUSED_V6: [(&str, &str); 4] = [
    ("2001::/23", "protocol assignments and tunnels"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "tunnels to IPv4"),
    ("3fff::/20", "documentation"),
];

static REFUSED: LazyLock<Vec<(AddressRange, &str)>> = LazyLock::new(|| {
    let networks = REFUSED_V4.iter().chain(&REFUSED_V6);
    networks.map(|(range, what)| (range.parse().expect("a range that is written above"), *what)).collect()
});

/// Says why an address is not on the public internet; `None` if it is. An IPv4 address written as IPv6 is what it is as IPv4.
pub fn not_public(address: IpAddr) -> Option<NotPublic> {
    let found = |network| Some(NotPublic { address, network });
    match address.to_canonical() {
        IpAddr::V6(v6) if !is_global_unicast(v6) => found("addresses that are not public"),
        canonical => REFUSED.iter().find(|(range, _)| range.contains(canonical)).and_then(|(_, what)| found(what)),
    }
}

/// SPEC: RFC 4291 §2.4 with the registry of IPv6 global unicast: only `2000::/3` has been given out.
fn is_global_unicast(address: Ipv6Addr) -> bool {
    address.segments()[0] >> 13 == 1
}

/// What may be reached although it is not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<AddressRange>,
    hosts: Vec<Box<str>>,
}

/// An entry of the list of what is allowed is neither a network nor a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is neither a network such as \"10.1.0.0/16\" nor a host such as \"hooks.internal.example\"; write no https:// and no port", .0)]
pub struct MalformedAllowed(pub Box<str>);

impl Allowed {
    pub(super) fn parse(entries: &[String]) -> Result<Self, MalformedAllowed> {
        let mut allowed = Allowed::default();
        for entry in entries {
            if let Ok(range) = entry.parse() {
                allowed.networks.push(range);
                continue;
            }
            let host = plain(entry);
            let word = |word: &str| !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
            if host.len() > 253 || !host.split('.').all(word) || host.split('.').next_back().is_some_and(|last| last.parse::<u32>().is_ok())
            {
                return Err(MalformedAllowed(entry.as_str().into()));
            }
            allowed.hosts.push(host.into());
        }
        Ok(allowed)
    }

    /// Refuses an address; `host` is the name that led to it, if one did.
    pub(super) fn judge(&self, host: Option<&str>, address: IpAddr) -> Result<(), NotPublic> {
        if self.networks.iter().any(|range| range.contains(address)) || host.is_some_and(|host| self.allows_host(host)) {
            return Ok(());
        }
        not_public(address).map_or(Ok(()), Err)
    }

    /// Judges an address that is written as such, without a name, and the port.
    pub(super) fn judge_literal(&self, url: &Url) -> Result<(), OutsideError> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if let Some(address) = literal {
            self.judge(None, address).map_err(OutsideError::NotPublic)?;
        }
        let known = literal.map_or_else(|| self.allows_host(host), |address| self.networks.iter().any(|range| range.contains(address)));
        match url.port_or_known_default() {
            // The low ports belong to other protocols, whose servers might take a request for one of theirs.
            Some(port) if port < 1024 && !matches!(port, 80 | 443) && !known => Err(OutsideError::Port { port }),
            _ => Ok(()),
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        let host = plain(host);
        self.hosts.iter().any(|allowed| **allowed == *host)
    }
}

/// The hosts that are asked. By default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// These; `.example.org` are the hosts below example.org. None: all.
    pub fn new(hosts: &[String]) -> Self {
        Hosts(hosts.iter().map(|host| plain(host)).collect())
    }

    /// Whether this host is one of them.
    pub fn has(&self, host: &str) -> bool {
        let host = plain(host);
        let fits = |wanted: &String| host == *wanted || (wanted.starts_with('.') && host.ends_with(wanted.as_str()));
        self.0.is_empty() || self.0.iter().any(fits)
    }
}

/// A host's name in its one spelling.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn addresses_that_are_not_public_are_known() {
        let refused = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1 \
            172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 \
            239.255.255.255 240.0.0.1 255.255.255.255 \
            :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 \
            64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 \
            2002:a00:1:: 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 ff0e::1";
        for address in refused.split_whitespace() {
            assert!(not_public(address.parse().unwrap()).is_some(), "{address}");
        }
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.0.1 172.15.0.1 172.32.0.1 \
            192.0.1.1 192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 2001:200::1 2001:4860:4860::8888 2606:4700::1111 \
            2a00:1450::1 2003::1 3ffe::1";
        for address in public.split_whitespace() {
            assert_eq!(not_public(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn hosts_are_asked_by_name_or_below_a_name() {
        let hosts = Hosts::new(&["A.example.".into(), ".b.example".into()]);
        assert!(hosts.has("a.example") && hosts.has("A.EXAMPLE.") && hosts.has("www.b.example"));
        assert!(!hosts.has("www.a.example") && !hosts.has("b.example") && !hosts.has("notb.example") && !hosts.has(""));
        assert!(Hosts::default().has("any.example"));
    }

    #[test]
    fn what_the_configuration_allows_is_allowed_and_nothing_beside_it() {
        let allowed = Allowed::parse(&["10.1.0.0/16".into(), "Hooks.Internal.example.".into(), "::1".into()]).unwrap();
        let judge = |host, address: &str| allowed.judge(host, address.parse().unwrap()).is_ok();
        assert!(judge(None, "10.1.2.3") && judge(None, "::ffff:10.1.2.3") && judge(None, "::1"));
        assert!(judge(Some("hooks.internal.EXAMPLE"), "10.2.0.1") && judge(Some("hooks.internal.example."), "127.0.0.1"));
        assert!(!judge(None, "10.2.0.1") && !judge(Some("other.internal.example"), "10.2.0.1"));
        assert!(!judge(Some("evil-hooks.internal.example"), "10.2.0.1") && !judge(Some("internal.example"), "10.2.0.1"));
        for bad in ["", "https://a.example", "a.example:80", "10.0.0.0/33", "10.0.0", "a b", "*.example", "a..b", "1.2.3.4.5"] {
            assert_eq!(Allowed::parse(&[bad.into()]), Err(MalformedAllowed(bad.into())), "{bad:?}");
        }
    }
}
