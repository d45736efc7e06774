//! The reason why a check could not decide, with advice.
//!
//! Errors of the cloud, of images and of operations are converted here, so that a check can use `?` on
//! everything that it asks.

use quill_admin_cloud::{CloudError, CloudErrorKind};
use quill_admin_contract::ExitCode;
use quill_admin_image::ImageError;
use quill_admin_operations::error::CliError;

/// The reason why a check could not decide something. An undecided check never counts as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The cause.
    pub cause: String,
    /// The kind of the failure, where Google Cloud failed or refused.
    pub kind: Option<CloudErrorKind>,
    /// The exit code of the failure, where an operation failed.
    pub code: Option<ExitCode>,
    /// The steps to take.
    pub advice: Vec<String>,
    /// Whether checks that need this one cannot decide either.
    pub blocks: bool,
}

impl Undecided {
    /// Makes it from a cause.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), kind: None, code: None, advice: Vec::new(), blocks: true }
    }

    /// Adds advice. The same advice is not repeated.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        if !self.advice.contains(&advice) {
            self.advice.push(advice);
        }
        self
    }

    /// Lets the checks that need this one run all the same.
    #[must_use]
    pub fn blocks_nothing(mut self) -> Self {
        self.blocks = false;
        self
    }
}

/// The answer; without one, an empty value, and a note of the reason in `undecided`.
pub(crate) fn or_note<T: Default>(answer: Result<T, Undecided>, undecided: &mut Vec<Undecided>) -> T {
    answer.unwrap_or_else(|reason| {
        undecided.push(reason);
        T::default()
    })
}

impl From<CliError> for Undecided {
    fn from(error: CliError) -> Self {
        Self { advice: error.hints.clone(), code: Some(error.code), ..Self::new(error.to_string()) }
    }
}

impl From<Undecided> for CliError {
    fn from(undecided: Undecided) -> Self {
        let code = undecided.code.unwrap_or(ExitCode::CloudFailed);
        Self::new(code, undecided.cause).hints(undecided.advice)
    }
}

impl From<CloudError> for Undecided {
    fn from(error: CloudError) -> Self {
        let kind = error.kind;
        let told = Self { kind: Some(kind), ..Self::from(CliError::from(error)) };
        match kind {
            CloudErrorKind::Quota => told.advice("wait a minute: everybody in the project shares this quota"),
            CloudErrorKind::Unreachable => {
                told.advice("check this machine's network (VPN, proxy), then look again")
            }
            CloudErrorKind::Failed => told.advice("look again in a minute"),
            _ => told,
        }
    }
}

impl From<ImageError> for Undecided {
    fn from(error: ImageError) -> Self {
        CliError::from(error).into()
    }
}
