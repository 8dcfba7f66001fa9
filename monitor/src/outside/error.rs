//! Why something out there could not be had, and whether trying again may help.

use std::error::Error;

use reqwest::Url;
use tlog::printable::is_printable;

use super::address::NotPublic;
use super::guard::{LeadsInside, LeadsNowhere};

/// The longest address that is looked at.
const MAX_URL: usize = 2048;

/// A text is no address that could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No URL at all, or one without a host.
    #[error("this is not a web address; write one such as https://example.org/path")]
    Malformed,
    /// Something else than http or https.
    #[error("only addresses that begin with https:// or http:// are asked")]
    Scheme,
    /// With a user's name or password.
    #[error("an address with a user name or a password in it is not asked; leave them out")]
    Credentials,
    /// Too long.
    #[error("the address is longer than {MAX_URL} bytes")]
    TooLong,
}

/// Something out there could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutsideError {
    /// Not an address.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The host is not on the public internet.
    #[error(
        "the address {} belongs to {}, and the monitor does not connect to these; if it should, name the network or the host under `allow`",
        .0.address,
        .0.network
    )]
    NotPublic(NotPublic),
    /// The host is not one of those that are asked.
    #[error("the host is not one of those that this monitor asks; if it should be, name it under `hosts`")]
    NotAsked,
    /// A port that belongs to another protocol.
    #[error("port {port} belongs to another protocol than HTTP; to use it all the same, name the host under `allow`")]
    Port {
        /// Which.
        port: u16,
    },
    /// The host's name could not be resolved.
    #[error("the name of the host leads nowhere; is it spelt right?")]
    UnknownHost,
    /// No connection, or one that broke off.
    #[error("no answer: {}", root_cause(.0))]
    Unreachable(#[source] reqwest::Error),
    /// It took too long.
    #[error("no complete answer in time")]
    Timeout,
    /// It points elsewhere, and that may not be followed, or not any more.
    #[error("the answer is a redirect to {to}, which is not followed; if that is the right place, give its address instead")]
    Redirected {
        /// Where to.
        to: Box<str>,
    },
    /// It points to something that is no address.
    #[error("the answer is a redirect to something that is not an address")]
    Redirect,
    /// It points from https to http.
    #[error("the answer is a redirect from https to http, which is not followed")]
    Downgraded,
    /// Longer than allowed.
    #[error("the answer is longer than {limit} bytes; the rest was not read")]
    TooLarge {
        /// How many bytes would have been read.
        limit: u64,
    },
    /// Compressed, although that was not asked for.
    #[error("the answer is compressed although that was not asked for; the monitor does not unpack what strangers send")]
    Encoded,
}

impl OutsideError {
    /// Whether trying again may help.
    pub fn is_for_now(&self) -> bool {
        matches!(self, OutsideError::UnknownHost | OutsideError::Unreachable(_) | OutsideError::Timeout)
    }

    /// What the HTTP client says, with our own refusals found again in it.
    pub(super) fn from_failure(error: reqwest::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(now) = cause {
            if let Some(LeadsInside(why)) = now.downcast_ref() {
                return OutsideError::NotPublic(*why);
            }
            if now.downcast_ref::<LeadsNowhere>().is_some() {
                return OutsideError::UnknownHost;
            }
            cause = now.source();
        }
        if error.is_timeout() { OutsideError::Timeout } else { OutsideError::Unreachable(error) }
    }
}

/// Parses an address as far as it can be judged without resolving anything.
pub(super) fn parse_url(text: &str) -> Result<Url, UrlError> {
    if text.len() > MAX_URL {
        return Err(UrlError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(UrlError::Malformed);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    Ok(url)
}

/// An address to print: a stranger's, so cut, and without anything that a terminal acts on.
pub(super) fn shown(url: &Url) -> Box<str> {
    url.as_str().chars().take(200).map(|c| if is_printable(c) { c } else { '\u{fffd}' }).collect()
}

/// The innermost reason, such as "connection refused"; what is around it repeats the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().chars().take(200).map(|c| if is_printable(c) { c } else { '\u{fffd}' }).collect()
}
