//! Fixes that were offered to a person, and their outcomes.
//!
//! To add an outcome: a variant of [`Outcome`] with its name, and `report/doctor.rs` of the command-line
//! program.

use std::sync::Arc;

use quill_admin_operations::error::CliError;

use super::check::Check;
use super::fix::Fix;

/// A fix that was offered, and its outcome.
pub struct Attempt {
    /// The check whose finding it is for.
    pub check: &'static Check,
    /// The fix.
    pub fix: Arc<dyn Fix>,
    /// The lines of its plan.
    pub plan: Vec<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// Details of the outcome, in words.
    pub message: String,
    /// The steps to take now.
    pub advice: Vec<String>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

/// The outcome of a fix that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is no outcome yet.
    Open,
    /// The fix was carried out.
    Done,
    /// The fix failed: the things that it was to change may be changed.
    Failed,
    /// A person declined it.
    Declined,
    /// It must not be carried out without `--force`.
    Refused,
    /// Only its plan was made.
    DryRun,
}

impl Outcome {
    /// The name of the outcome, as in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::DryRun => "dry_run",
        }
    }
}

impl Attempt {
    /// Begins an attempt that has no outcome yet.
    #[must_use]
    pub fn new(check: &'static Check, fix: Arc<dyn Fix>) -> Self {
        let outcome = Outcome::Open;
        Self { check, fix, plan: Vec::new(), outcome, message: String::new(), advice: Vec::new() }
    }

    /// Notes that the fix was carried out.
    pub fn done(&mut self, message: String) {
        self.outcome = Outcome::Done;
        self.message = message;
    }

    /// Notes that the fix failed.
    pub fn failed(&mut self, error: &CliError) {
        self.outcome = Outcome::Failed;
        self.message = error.to_string();
        self.advice.clone_from(&error.hints);
    }

    /// Notes that a person declined the fix.
    pub fn declined(&mut self) {
        self.outcome = Outcome::Declined;
    }

    /// Notes that the fix must not be carried out without `--force`.
    pub fn refused(&mut self, why: String) {
        self.outcome = Outcome::Refused;
        self.message = why;
        self.advice = vec!["do it all the same with: --force".to_owned()];
    }

    /// Notes that only a plan was wanted, and with `refused`, why the fix would not be carried out.
    pub fn would_be_done(&mut self, refused: Option<String>) {
        if let Some(why) = refused {
            self.refused(why);
        }
        self.outcome = Outcome::DryRun;
    }

    /// Whether the state of the environment may have changed.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Failed)
    }
}
