//! A fix that was offered to a person, and what came of it.

use std::sync::Arc;

use quill_admin_operations::error::CliError;

use super::check::Check;
use super::fix::Fix;

/// A fix that was offered, and what came of it.
pub struct Attempt {
    /// What it was for.
    pub check: &'static Check,
    /// What it is.
    pub fix: Arc<dyn Fix>,
    /// What it was to do, line by line.
    pub plan: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// More about that, in words.
    pub message: String,
    /// What to do now.
    pub advice: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// It is done.
    Done,
    /// It went wrong: what it was to change may be changed.
    Failed,
    /// A person did not want it.
    Declined,
    /// It is not to be done without `--force`.
    Refused,
    /// It was only looked at.
    DryRun,
}

impl Outcome {
    /// The name under which it is told, as in `--json`.
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
    /// Nothing has come of it yet.
    #[must_use]
    pub fn new(check: &'static Check, fix: Arc<dyn Fix>) -> Self {
        let outcome = Outcome::Open;
        Self { check, fix, plan: Vec::new(), outcome, message: String::new(), advice: Vec::new() }
    }

    /// It is done.
    pub fn done(&mut self, message: String) {
        self.outcome = Outcome::Done;
        self.message = message;
    }

    /// It went wrong.
    pub fn failed(&mut self, error: &CliError) {
        self.outcome = Outcome::Failed;
        self.message = error.to_string();
        self.advice.clone_from(&error.hints);
    }

    /// A person did not want it.
    pub fn declined(&mut self) {
        self.outcome = Outcome::Declined;
    }

    /// It is not to be done without `--force`.
    pub fn refused(&mut self, why: String) {
        self.outcome = Outcome::Refused;
        self.message = why;
        self.advice = vec!["do it all the same with: --force".to_owned()];
    }

    /// It would be done; or refused.
    pub fn would_be_done(&mut self, refused: Option<String>) {
        if let Some(why) = refused {
            self.refused(why);
        }
        self.outcome = Outcome::DryRun;
    }

    /// Whether things may be otherwise than they were seen.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Failed)
    }
}
