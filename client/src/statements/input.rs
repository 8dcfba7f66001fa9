//! The lines of inputs: JSON Lines as they are, and the rows of tables as JSON objects of their columns.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Map, Value};
use tlog::printable::Printable;

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
    /// Two columns of one name.
    #[error("{}: two columns have the name \"{}\": give each its own", terminal::path(.path), Printable(column))]
    ColumnTwice {
        /// Which file.
        path: PathBuf,
        /// The name.
        column: Box<str>,
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
    let mut names = HashSet::new();
    if let Some(column) = columns.iter().find(|column| !names.insert(*column)) {
        return Err(InputError::ColumnTwice { path: path.to_owned(), column: column.into() });
    }
    let owner = path.to_owned();
    Ok(Box::new(reader.into_records().map(move |row| {
        let row = row.map_err(|source| InputError::Table { path: owner.clone(), source })?;
        let line = row.position().map(csv::Position::line);
        let object: Map<String, Value> = columns.iter().zip(&row).map(|(column, text)| (column.to_owned(), text.into())).collect();
        Ok((Place { input: owner.display().to_string(), line }, Value::Object(object).to_string().into()))
    })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_table_with_two_columns_of_one_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decisions.csv");
        std::fs::write(&path, "Ref,Outcome,Ref\n1,granted,2\n").unwrap();
        assert!(matches!(lines(&path), Err(InputError::ColumnTwice { column, .. }) if &*column == "Ref"));
        std::fs::write(&path, "Ref,Outcome\n1,granted\n").unwrap();
        assert_eq!(lines(&path).unwrap().count(), 1);
    }
}
