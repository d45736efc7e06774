//! What can go wrong in the local environment.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

/// Why the local environment could not be started, looked at or reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Another process has it running.
    #[error(
        "the local environment in {} is in use by another quill-admin{}",
        directory.display(),
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    InUse {
        /// The state directory.
        directory: PathBuf,
        /// The other process, if it could be told.
        process: Option<u32>,
    },
    /// It was made by another version of this program.
    #[error(
        "the local environment in {} has format {found}, and this quill-admin knows format {known}",
        directory.display()
    )]
    Format {
        /// The state directory.
        directory: PathBuf,
        /// The format found there.
        found: u32,
        /// The format this version reads and writes.
        known: u32,
    },
    /// It holds other tables of the application than those that are asked for; nothing in it was changed.
    #[error(
        "the local environment in {} was made for another version of the application's tables than {schema}; \
         nothing was changed",
        directory.display()
    )]
    OtherTables {
        /// The state directory.
        directory: PathBuf,
        /// What makes the tables that are asked for.
        schema: String,
    },
    /// PostgreSQL refuses a file of the application's; where it was to make a new environment, there is none.
    #[error("{name}{}: {why}", place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
    Script {
        /// What the file is called.
        name: String,
        /// Line and column, from 1, where PostgreSQL says them.
        place: Option<(usize, usize)>,
        /// What PostgreSQL says.
        why: String,
    },
    /// The directory, or something in it, is not what this program makes; nothing was touched.
    #[error("{} {reason}; nothing in it was changed or deleted", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Why it cannot be this program's: a predicate.
        reason: String,
    },
    /// A file or directory of the state cannot be used.
    #[error("failed to {doing} {}", path.display())]
    State {
        /// What was attempted: a verb.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The embedded database does not work.
    #[error("failed to {doing} the embedded database")]
    Database {
        /// What was attempted: a verb.
        doing: &'static str,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The emulator does not work.
    #[error("failed to {doing} the emulator")]
    Cloud {
        /// What was attempted: a verb.
        doing: &'static str,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl LocalError {
    pub(crate) fn state(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::State { doing, path: path.to_owned(), source }
    }

    pub(crate) fn database(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Database { doing, source: source.into() }
    }

    pub(crate) fn cloud(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Cloud { doing, source: source.into() }
    }
}
