//! The index itself: its fields, and how a query is put to it.
//!
//! Nothing that a statement says is stored here a second time: a document has terms, numbers to sort and select by, and its place.

mod document;
mod find;
mod progress;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer};
use tantivy::{Index, TantivyError};
use tlog::LeafIndex;

use crate::store::StoreError;

pub(super) use find::Reader;
pub(super) use progress::Progress;
pub(super) use writer::Writer;

/// The name of the analyzer that text fields are cut into words by.
const WORDS: &str = "acta";

/// Longer words are no words of any language: they only make the index large.
const LONGEST_WORD: usize = 64;

/// How many bits of a place are the index.
const INDEX_BITS: u32 = 40;

/// The index cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index failed.
    #[error("the search index reported an error: {0}")]
    Index(TantivyError),
    /// The directory of the index cannot be made or removed.
    #[error("the directory {} of the search index cannot be made anew: {error}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

// By hand: `#[from]` would make what the text says already a source as well, and it would be printed twice.
impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        SearchError::Index(error)
    }
}

/// An entry of a followed log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) log: u32,
    pub(super) index: LeafIndex,
}

impl Place {
    /// As one number; `None` if there are more logs or entries than a number has room for, which would take centuries.
    fn pack(self) -> Option<u64> {
        let (log, index) = (u64::from(self.log), self.index.as_u64());
        (log < 1 << (u64::BITS - INDEX_BITS) && index < 1 << INDEX_BITS).then_some(log << INDEX_BITS | index)
    }

    fn unpack(packed: u64) -> Self {
        let log = u32::try_from(packed >> INDEX_BITS).expect("24 bits are left");
        Place { log, index: LeafIndex::new(packed & ((1 << INDEX_BITS) - 1)) }
    }
}

/// The fields of a document.
#[derive(Clone, Copy, Debug)]
struct Fields {
    /// A [`Place`], which names the document.
    place: Field,
    /// All text.
    text: Field,
    subject: Field,
    outcome: Field,
    party: Field,
    location: Field,
    unit: Field,
    basis: Field,
    log: Field,
    r#type: Field,
    issuer: Field,
    /// A kind, and each group that it is in, as patterns are written.
    kind: Field,
    series: Field,
    status: Field,
    currency: Field,
    lang: Field,
    number: Field,
    amount: Field,
    decided: Field,
    issued: Field,
    published: Field,
}

/// The field that the newest are found by.
const ISSUED: &str = "issued";

/// The field of places.
const PLACE: &str = "place";

impl Fields {
    fn schema() -> (Schema, Fields) {
        let mut schema = Schema::builder();
        let positions = TextFieldIndexing::default().set_tokenizer(WORDS).set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = TextOptions::default().set_indexing_options(positions);
        let exact = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
        let exact = TextOptions::default().set_indexing_options(exact);
        let number = NumericOptions::default().set_fast();
        let fields = Fields {
            place: schema.add_u64_field(PLACE, NumericOptions::default().set_fast().set_indexed()),
            text: schema.add_text_field("text", text.clone()),
            subject: schema.add_text_field("subject", text.clone()),
            outcome: schema.add_text_field("outcome", text.clone()),
            party: schema.add_text_field("party", text.clone()),
            location: schema.add_text_field("location", text.clone()),
            unit: schema.add_text_field("unit", text.clone()),
            basis: schema.add_text_field("basis", text),
            log: schema.add_text_field("log", exact.clone()),
            r#type: schema.add_text_field("type", exact.clone()),
            issuer: schema.add_text_field("issuer", exact.clone()),
            kind: schema.add_text_field("kind", exact.clone()),
            series: schema.add_text_field("series", exact.clone()),
            status: schema.add_text_field("status", exact.clone()),
            currency: schema.add_text_field("currency", exact.clone()),
            lang: schema.add_text_field("lang", exact),
            number: schema.add_i64_field("number", number.clone()),
            amount: schema.add_i64_field("amount", number.clone()),
            decided: schema.add_i64_field("decided", number.clone()),
            issued: schema.add_i64_field(ISSUED, number.clone()),
            published: schema.add_i64_field("published", number),
        };
        (schema.build(), fields)
    }
}

/// Words in lower case and without accents, so that `Döhle` is found by `dohle`, and the other way round.
fn analyzer() -> TextAnalyzer {
    let words = TextAnalyzer::builder(SimpleTokenizer::default()).filter(RemoveLongFilter::limit(LONGEST_WORD));
    words.filter(LowerCaser).filter(AsciiFoldingFilter).build()
}

/// Opens the index in a directory, or makes one. What is not ours, or not whole, is made anew: all of it is in the store.
fn open(dir: &Path) -> Result<Index, SearchError> {
    let (schema, _) = Fields::schema();
    let opened = match Index::open_in_dir(dir) {
        Ok(index) if index.schema() == schema => Some(index),
        Ok(_) => {
            tracing::info!("the search index is of another version and is made anew");
            None
        }
        Err(error) => {
            if dir.join("meta.json").exists() {
                tracing::warn!("the search index cannot be opened and is made anew: {error}");
            }
            None
        }
    };
    let index = match opened {
        Some(index) => index,
        None => create(dir, schema)?,
    };
    index.tokenizers().register(WORDS, analyzer());
    Ok(index)
}

/// A new index in place of whatever is there.
fn create(dir: &Path, schema: Schema) -> Result<Index, SearchError> {
    let failed = |error| SearchError::Directory { path: dir.to_owned(), error };
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => std::fs::create_dir_all(dir).map_err(failed)?,
    }
    Ok(Index::create_in_dir(dir, schema)?)
}

#[cfg(test)]
mod tests;
