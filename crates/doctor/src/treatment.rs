//! What `--fix` can do about a finding, as data: checks offer it, `fix` does it.

use std::collections::BTreeSet;

use quill_admin_cloud::{Difference, ExecutionName};

/// What can be done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    /// Build the admin image, push it, and let the job run exactly it: `build`.
    Build,
    /// Change the job's settings to those of the environments file; its image stays.
    PutJobRight,
    /// Give the backend its own image back: `restore-backend`.
    RestoreBackend,
    /// Remove this lock on Terraform's state, and no later one.
    RemoveLock {
        /// Which one it is.
        generation: i64,
        /// Why it is not to be removed without `--force`: it is young, or its age is not known.
        doubt: Option<String>,
        /// Who holds it.
        holder: String,
    },
    /// Delete executions that carry a password in clear.
    DeleteExecutions {
        /// Which; none of them runs.
        executions: Vec<ExecutionName>,
        /// Whose passwords they carry, as far as is known.
        usernames: BTreeSet<String>,
    },
}

impl Treatment {
    /// Its name, which does not change.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::PutJobRight => "put-job-right",
            Self::RestoreBackend => "restore-backend",
            Self::RemoveLock { .. } => "remove-lock",
            Self::DeleteExecutions { .. } => "delete-executions",
        }
    }

    /// What it does, as in "--fix can …".
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self {
            Self::Build => "build the admin image, push it, and let the job run it",
            Self::PutJobRight => "change the job's settings to those wanted; its image stays",
            Self::RestoreBackend => "give the backend its own image back",
            Self::RemoveLock { .. } => "remove exactly this lock, and no later one",
            Self::DeleteExecutions { .. } => "delete these executions, and the passwords in them",
        }
    }

    /// Why it is not to be done without `--force`, if so.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let Self::RemoveLock { doubt, .. } = self else { return None };
        doubt.clone()
    }
}

/// A setting that is changed, in one line.
#[must_use]
pub fn line(change: &Difference) -> String {
    let or_nothing = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
    let from = change.from.as_deref().map_or_else(|| "nothing".to_owned(), or_nothing);
    format!("{}: {from} → {}", change.setting, or_nothing(&change.to))
}
