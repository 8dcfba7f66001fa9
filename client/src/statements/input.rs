//! The lines of inputs: JSON Lines as they are, and the rows of tables as JSON objects of their columns.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::journal::Place;
use crate::publish::{Input, InputError as LinesError};
use crate::terminal;

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Lines, or the files of a directory.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// A table.
    #[error("{}: {source}", terminal::path(.path))]
    Table {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A table's file.
    #[error("{}: {source}", terminal::path(.path))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The lines of an input, one after the other. Ends after an error.
pub type Lines = Box<dyn Iterator<Item = Result<(Place, Bytes), InputError>> + Send>;

/// Opens an input: a `.jsonl` file, a directory of files with a decision each, or a `.csv` file whose first line names its columns.
pub fn lines(path: &Path) -> Result<Lines, InputError> {
    if path.extension().is_some_and(|extension| extension == "csv") {
        return table(path);
    }
    let items = Input::at(path)?.items()?;
    Ok(Box::new(items.map(|item| {
        let item = item?;
        Ok((Place { input: item.path.display().to_string(), line: item.line }, item.bytes))
    })))
}

fn table(path: &Path) -> Result<Lines, InputError> {
    let failed = |source| InputError::Table { path: path.to_owned(), source };
    let mut reader = csv::Reader::from_path(path).map_err(failed)?;
    let columns = reader.headers().map_err(failed)?.clone();
    let owner = path.to_owned();
    Ok(Box::new(reader.into_records().map(move |row| {
        let row = row.map_err(|source| InputError::Table { path: owner.clone(), source })?;
        let line = row.position().map(csv::Position::line);
        let object: Map<String, Value> = columns.iter().zip(&row).map(|(column, text)| (column.to_owned(), text.into())).collect();
        Ok((Place { input: owner.display().to_string(), line }, Value::Object(object).to_string().into()))
    })))
}
