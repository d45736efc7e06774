//! An error as a person meets it: what failed, why, and what to type next.

use std::fmt;

use quill_admin_cloud::{CloudError, CloudErrorKind};
use quill_admin_contract::{ExitCode, InvalidValue};

/// Why a command did not come to its end. The exit code is its kind: hints and headings go by it.
#[derive(Debug)]
pub struct CliError {
    /// How the program ends.
    pub code: ExitCode,
    /// What failed and why, each a line of its own.
    pub messages: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
}

impl CliError {
    /// An error with a code.
    #[must_use]
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, messages: vec![message.into()], hints: Vec::new() }
    }

    /// A missing or invalid value.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Adds what to do next; the same thing is said once.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("; "))
    }
}

impl From<InvalidValue> for CliError {
    fn from(problem: InvalidValue) -> Self {
        Self::usage(problem.to_string())
    }
}

impl From<CloudError> for CliError {
    fn from(error: CloudError) -> Self {
        let code = match error.kind {
            CloudErrorKind::NotSignedIn => ExitCode::NotSignedIn,
            CloudErrorKind::PermissionDenied => ExitCode::PermissionDenied,
            CloudErrorKind::NotFound => ExitCode::ResourceNotFound,
            CloudErrorKind::Conflict
            | CloudErrorKind::Invalid
            | CloudErrorKind::Quota
            | CloudErrorKind::Unreachable
            | CloudErrorKind::Failed => ExitCode::CloudFailed,
        };
        Self::new(code, error.to_string())
    }
}
