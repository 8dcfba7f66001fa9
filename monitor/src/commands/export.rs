//! `acta-monitor export`

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use monitor::export::{self, ExportError, Format, Selection};
use monitor::state_dir::StateDir;
use monitor::store::StoreOptions;

use crate::cli;

pub(crate) fn export(args: &cli::Export) -> anyhow::Result<ExitCode> {
    let store = StateDir::new(&args.state).look(StoreOptions::default())?;
    let selection = Selection { log: args.log.clone(), since: args.since };
    let format = match args.format {
        cli::ExportFormat::Jsonl => Format::JsonLines,
        cli::ExportFormat::Csv => Format::Csv,
    };
    let out: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(File::create(path).map_err(ExportError::Write)?),
        None => Box::new(io::stdout().lock()),
    };
    let written = match args.what {
        cli::ExportWhat::Findings => export::findings(&store, &selection, format, out),
        cli::ExportWhat::Decisions => export::decisions(&store, &selection, format, out),
    };
    match written {
        // A reader that has gone, such as `head`, has seen enough.
        Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|_| ExitCode::SUCCESS).map_err(Into::into),
    }
}
