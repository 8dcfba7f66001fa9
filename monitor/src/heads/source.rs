//! Where a head was seen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tlog::{Hash, LeafIndex};

/// Where a head was seen. Its text is stable: it is part of rows and of what is told to people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// At the log's own address.
    Log,
    /// At another address of the log.
    Mirror(String),
    /// At a witness, by the policy's name for it.
    Witness(String),
    /// At another monitor, by its address.
    Monitor(String),
    /// In a receipt for this entry.
    Receipt {
        /// At which place the receipt has it.
        index: LeafIndex,
        /// Its leaf hash.
        leaf: Hash,
    },
}

/// What was written is not a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this names no place where a head can be seen; write log, mirror URL, witness NAME, monitor URL or receipt INDEX LEAF")]
pub struct MalformedSource;

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Log => f.write_str("log"),
            Source::Mirror(url) => write!(f, "mirror {url}"),
            Source::Witness(name) => write!(f, "witness {name}"),
            Source::Monitor(url) => write!(f, "monitor {url}"),
            Source::Receipt { index, leaf } => write!(f, "receipt {index} {}", leaf.to_hex()),
        }
    }
}

impl FromStr for Source {
    type Err = MalformedSource;

    fn from_str(text: &str) -> Result<Self, MalformedSource> {
        match text.split_once(' ') {
            None if text == "log" => Ok(Source::Log),
            Some(("mirror", url)) => Ok(Source::Mirror(url.to_owned())),
            Some(("witness", name)) => Ok(Source::Witness(name.to_owned())),
            Some(("monitor", url)) => Ok(Source::Monitor(url.to_owned())),
            Some(("receipt", rest)) => {
                let (index, leaf) = rest.split_once(' ').ok_or(MalformedSource)?;
                let index = LeafIndex::new(index.parse().map_err(|_| MalformedSource)?);
                Ok(Source::Receipt { index, leaf: Hash::from_hex(leaf).map_err(|_| MalformedSource)? })
            }
            _ => Err(MalformedSource),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = MalformedSource;

    fn try_from(text: String) -> Result<Self, MalformedSource> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

impl Source {
    /// For a sentence: "seen at …".
    pub fn in_words(&self) -> String {
        match self {
            Source::Log => "at the log's own address".to_owned(),
            Source::Mirror(url) => format!("at {url}"),
            Source::Witness(name) => format!("at the witness {name}"),
            Source::Monitor(url) => format!("at the monitor {url}"),
            Source::Receipt { index, .. } => format!("in a receipt for entry {index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_read_back_from_its_text() {
        let receipt = Source::Receipt { index: LeafIndex::new(7), leaf: Hash::leaf(b"x") };
        let sources =
            [Source::Log, Source::Mirror("https://a b".into()), Source::Witness("w 1".into()), Source::Monitor(String::new()), receipt];
        for source in sources {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        for text in ["", "logs", "witness", "receipt 7", "receipt x 00", "elsewhere x"] {
            assert_eq!(text.parse::<Source>(), Err(MalformedSource), "{text}");
        }
    }
}
