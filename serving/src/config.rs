//! What the configuration files of all servers have in common: how they are read, and the checks of their values.
//!
//! Each server has its own sections and defaults. A check is named after what it demands and gives the value in the type that the server
//! runs with, so that nothing behind it has to ask again. Every refusal names the key with its section and says what to write.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::limits::Limit;
use crate::units::{ByteSize, Span};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {error}; check the path and that this user may read it", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong shape.
    #[error("the configuration file {path} has a mistake; {example} shows every key: {error}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// The file to learn from.
        example: &'static str,
        /// Where, and what was expected.
        error: Box<toml::de::Error>,
    },
    /// A number that has to be more than zero.
    #[error("`{key}` is 0, which would stop the server from working; write a value above 0 or remove the line for the default")]
    Zero {
        /// The key with its section.
        key: &'static str,
    },
    /// A number beyond what it may be.
    #[error("`{key}` is too large; write at most {most}")]
    TooLarge {
        /// The key with its section.
        key: &'static str,
        /// The largest value.
        most: u64,
    },
    /// A number of bytes below what anything works with.
    #[error("`{key}` is too small for what has to fit into it at once; write at least \"{}\"", ByteSize(*.least))]
    TooSmall {
        /// The key with its section.
        key: &'static str,
        /// The smallest value.
        least: u64,
    },
    /// Not an address with a port.
    #[error("`ops.listen` is not an address; write an address and a port such as \"127.0.0.1:9090\", or \"\" for no such listener")]
    OpsListen,
    /// Both listeners at one address.
    #[error("`http.listen` and `ops.listen` are the same address; the operations listener needs a port of its own")]
    SameListener,
}

/// No more connections than this: each takes a file descriptor and a few kilobytes.
const MAX_CONNECTIONS: u32 = 1_000_000;

/// Large enough for every real client, small enough that thousands of connections fit into memory.
const MAX_HEADERS: u32 = 1 << 20;

/// hyper's smallest buffer.
const MIN_HEADERS: u32 = 8192;

/// Memory of the limiter: 20 bytes an address.
const MAX_ADDRESSES: u32 = 16_777_216;

/// Reads a file. `example` is the name of the one that explains every key.
pub fn load<F: DeserializeOwned>(path: &Path, example: &'static str) -> Result<F, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed { path: path.to_owned(), example, error: Box::new(error) })
}

/// A number above 0.
pub fn nonzero(key: &'static str, value: u32) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(value).ok_or(ConfigError::Zero { key })
}

/// A number of things above 0.
pub fn positive(key: &'static str, value: u32) -> Result<usize, ConfigError> {
    Ok(usize::try_from(nonzero(key, value)?.get()).unwrap_or(usize::MAX))
}

/// A number that is at most `most`.
pub fn at_most(key: &'static str, value: u64, most: u64) -> Result<(), ConfigError> {
    if value > most { Err(ConfigError::TooLarge { key, most }) } else { Ok(()) }
}

/// Bytes on a disk, at least `least`.
pub fn bytes(key: &'static str, value: ByteSize, least: u64) -> Result<u64, ConfigError> {
    if value.0 < least { Err(ConfigError::TooSmall { key, least }) } else { Ok(value.0) }
}

/// Bytes in memory, at least `least`.
pub fn size(key: &'static str, value: ByteSize, least: u64) -> Result<usize, ConfigError> {
    bytes(key, value, least).map(|_| value.bytes())
}

/// A time that is not 0.
pub fn span(key: &'static str, value: Span) -> Result<Duration, ConfigError> {
    if value.0.is_zero() { Err(ConfigError::Zero { key }) } else { Ok(value.0) }
}

/// A path, if one is written: the empty one stands for none.
pub fn path(written: PathBuf) -> Option<PathBuf> {
    (!written.as_os_str().is_empty()).then_some(written)
}

/// `http.max_connections`
pub fn connections(value: u32) -> Result<usize, ConfigError> {
    at_most("http.max_connections", value.into(), MAX_CONNECTIONS.into())?;
    positive("http.max_connections", value)
}

/// `http.max_headers`
pub fn headers(value: ByteSize) -> Result<u32, ConfigError> {
    let most = MAX_HEADERS;
    let value = u32::try_from(value.0).ok().filter(|value| *value <= most);
    Ok(value.ok_or(ConfigError::TooLarge { key: "http.max_headers", most: most.into() })?.max(MIN_HEADERS))
}

/// The limit of each client address; none if `per_second` is 0. `burst` and `addresses` come with their keys.
pub fn limit(per_second: u32, burst: (&'static str, u32), addresses: (&'static str, u32)) -> Result<Option<Limit>, ConfigError> {
    let Some(per_second) = NonZeroU32::new(per_second) else {
        return Ok(None);
    };
    at_most(addresses.0, addresses.1.into(), MAX_ADDRESSES.into())?;
    Ok(Some(Limit { per_second, burst: nonzero(burst.0, burst.1)?, addresses: nonzero(addresses.0, addresses.1)? }))
}

/// Where the operations listener listens, if there is one: `flag` if it is given, or else `ops.listen`, which stands empty for none.
/// `public` is where the public one does.
pub fn ops_listen(flag: Option<SocketAddr>, written: &str, public: SocketAddr) -> Result<Option<SocketAddr>, ConfigError> {
    let written = match written {
        "" => None,
        text => Some(text.parse().map_err(|_| ConfigError::OpsListen)?),
    };
    let listen = flag.or(written);
    if listen == Some(public) && public.port() != 0 { Err(ConfigError::SameListener) } else { Ok(listen) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn says<T: std::fmt::Debug>(checked: Result<T, ConfigError>, parts: &[&str]) {
        let text = checked.unwrap_err().to_string();
        for part in parts {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_its_key() {
        says(nonzero("a.b", 0), &["`a.b` is 0"]);
        says(span("a.b", Span::seconds(0)), &["`a.b` is 0"]);
        assert!(at_most("a.b", 5, 5).is_ok());
        says(at_most("a.b", 6, 5), &["`a.b` is too large", "at most 5"]);
        assert_eq!(size("a.b", ByteSize(1 << 10), 1 << 10).unwrap(), 1 << 10);
        says(size("a.b", ByteSize((1 << 10) - 1), 1 << 10), &["`a.b` is too small", "at least \"1 KiB\""]);
        assert_eq!(connections(MAX_CONNECTIONS).unwrap(), 1_000_000);
        says(connections(MAX_CONNECTIONS + 1), &["`http.max_connections` is too large"]);
        says(connections(0), &["`http.max_connections` is 0"]);
        assert_eq!((headers(ByteSize(1)).unwrap(), headers(ByteSize(1 << 20)).unwrap()), (MIN_HEADERS, MAX_HEADERS));
        for bytes in [(1 << 20) + 1, 1 << 32, u64::MAX] {
            says(headers(ByteSize(bytes)), &["`http.max_headers` is too large", "at most 1048576"]);
        }
    }

    #[test]
    fn without_a_rate_there_is_no_limit_and_nothing_of_it_is_looked_at() {
        assert_eq!(limit(0, ("a.burst", 0), ("a.addresses", 0)).unwrap(), None);
        assert!(limit(1, ("a.burst", 1), ("a.addresses", MAX_ADDRESSES)).unwrap().is_some());
        says(limit(1, ("a.burst", 0), ("a.addresses", 1)), &["`a.burst` is 0"]);
        says(limit(1, ("a.burst", 1), ("a.addresses", 0)), &["`a.addresses` is 0"]);
        says(limit(1, ("a.burst", 1), ("a.addresses", MAX_ADDRESSES + 1)), &["`a.addresses` is too large"]);
    }

    #[test]
    fn the_operations_listener_has_an_address_of_its_own_or_none() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(ops_listen(None, "", at(1)).unwrap(), None);
        assert_eq!(ops_listen(None, "127.0.0.1:2", at(1)).unwrap(), Some(at(2)));
        assert_eq!(ops_listen(Some(at(3)), "127.0.0.1:2", at(1)).unwrap(), Some(at(3)), "the flag wins");
        says(ops_listen(Some(at(3)), "9090", at(1)), &["`ops.listen` is not an address"]);
        says(ops_listen(None, "127.0.0.1:1", at(1)), &["the same address"]);
        assert_eq!(ops_listen(None, "127.0.0.1:0", at(0)).unwrap(), Some(at(0)), "both take a free port");
    }

    #[test]
    fn a_mistake_in_a_file_is_shown_with_its_place_and_the_example() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acta.toml");
        says(load::<toml::Table>(&path, "acta.example.toml"), &["acta.toml cannot be read", "No such file"]);
        std::fs::write(&path, "[a]\nb = c\n").unwrap();
        says(load::<toml::Table>(&path, "acta.example.toml"), &["acta.toml has a mistake", "acta.example.toml", "line 2"]);
        std::fs::write(&path, "[a]\nb = 1\n").unwrap();
        assert!(load::<toml::Table>(&path, "acta.example.toml").is_ok());
    }
}
