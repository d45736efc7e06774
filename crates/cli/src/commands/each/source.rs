//! The source of the rows of a run: a results file, which has the hashes of their passwords, or a table, whose
//! passwords are hashed while the environment is opened.

use std::path::PathBuf;
use std::sync::Arc;

use quill_admin_actions::Action;
use quill_admin_contract::ExitCode;
use quill_admin_operations::each::{Header, Journal, Row};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Emit;
use tokio::task::JoinHandle;

use super::rows::Judged;

/// The rows of a run.
pub(super) enum Source {
    /// A results file that is there.
    Journal(Journal),
    /// A table, of which a results file is made; without a path for a dry run.
    Table { header: Header, judged: Judged, path: Option<PathBuf> },
}

/// The rows while their passwords are hashed.
pub(super) enum Hashing {
    /// A results file has the hashes.
    Done(Journal),
    /// They are hashed beside other work.
    Begun { header: Header, rows: JoinHandle<Result<Vec<Row>, CliError>>, path: Option<PathBuf> },
}

impl Hashing {
    /// Begins to hash the passwords of a table, as an action takes them; of a dry run, in which nothing is sent, one.
    pub(super) fn begin(source: Source, action: &'static Action, dry_run: bool, emit: &Emit) -> Self {
        match source {
            Source::Journal(journal) => Self::Done(journal),
            Source::Table { header, judged, path } => {
                let emit = Arc::clone(emit);
                let rows = tokio::task::spawn_blocking(move || judged.hashed(action, dry_run, &emit));
                Self::Begun { header, rows, path }
            }
        }
    }

    /// The journal with the hashes, and where it is to be kept.
    pub(super) async fn end(self) -> Result<(Journal, Option<PathBuf>), CliError> {
        let (header, rows, path) = match self {
            Self::Done(journal) => return Ok((journal, None)),
            Self::Begun { header, rows, path } => (header, rows, path),
        };
        let failed = |error| {
            let what = format!("failed to hash passwords: {error}; nothing was started");
            CliError::new(ExitCode::Unexpected, what)
        };
        Ok((Journal::new(header, rows.await.map_err(failed)??), path))
    }
}
