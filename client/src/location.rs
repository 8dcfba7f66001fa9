//! Where a log is: a URL prefix, or a directory with the same files in it.
//!
//! The paths below either are those of tlog-tiles, so that a log exported to a directory is read as if it were served.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use reqwest::Url;

use crate::terminal;

/// A log's URL prefix (`https://log.example/`), or a directory that holds an export of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A server.
    Remote(Url),
    /// A static tree of files.
    Directory(PathBuf),
}

/// What was given as a log's place is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLocation {
    /// It looks like a URL and is not one.
    #[error("this is not a URL; write it like https://log.example or http://127.0.0.1:8080")]
    NotAUrl,
    /// Neither http nor https nor file.
    #[error("logs are read over http:// and https://, or from a directory; this is another kind of address")]
    Scheme,
    /// A name or password in the URL.
    #[error("take the name and password out of the URL: reading a log needs none, and they would end up in logs and shell histories")]
    Credentials,
    /// `?` or `#`.
    #[error("a log's URL ends with its path; leave out everything from ? or # on")]
    QueryOrFragment,
}

impl Location {
    /// A directory.
    pub fn directory(path: &Path) -> Self {
        Location::Directory(path.to_owned())
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    /// Anything with `://` is a URL, anything else the path of a directory.
    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        if !text.contains("://") {
            return Ok(Location::Directory(text.into()));
        }
        let mut url = Url::parse(text).map_err(|_| InvalidLocation::NotAUrl)?;
        match url.scheme() {
            "http" | "https" => {}
            "file" => return url.to_file_path().map(Location::Directory).map_err(|()| InvalidLocation::NotAUrl),
            _ => return Err(InvalidLocation::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidLocation::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidLocation::QueryOrFragment);
        }
        // Joining a relative path replaces what is after the last slash, so there is to be nothing.
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Location::Remote(url))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Remote(url) => f.write_str(url.as_str().trim_end_matches('/')),
            Location::Directory(path) => f.write_str(&terminal::path(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_kept_with_and_without_a_slash() {
        for text in ["http://log.example/a/b", "http://log.example/a/b/"] {
            let Ok(Location::Remote(url)) = text.parse() else { panic!("{text} is a URL") };
            assert_eq!(url.join("tile/0/000").map(String::from), Ok("http://log.example/a/b/tile/0/000".to_owned()));
            assert_eq!(Location::Remote(url).to_string(), "http://log.example/a/b");
        }
    }

    #[test]
    fn what_is_no_url_is_a_directory() {
        assert_eq!("export/tree".parse(), Ok(Location::Directory("export/tree".into())));
        assert_eq!("file:///srv/log".parse(), Ok(Location::Directory("/srv/log".into())));
    }

    #[test]
    fn urls_that_would_surprise_are_refused() {
        assert_eq!("ftp://log.example".parse::<Location>(), Err(InvalidLocation::Scheme));
        assert_eq!("http://".parse::<Location>(), Err(InvalidLocation::NotAUrl));
        assert_eq!("https://me:secret@log.example".parse::<Location>(), Err(InvalidLocation::Credentials));
        assert_eq!("https://log.example/?a".parse::<Location>(), Err(InvalidLocation::QueryOrFragment));
    }
}
