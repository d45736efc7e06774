//! An error as a person meets it: what failed, why, and what to type next.

use std::fmt;

use quill_admin_cloud::{CloudError, CloudErrorKind};
use quill_admin_contract::{ExitCode, InvalidValue};
use quill_admin_image::{ImageError, ImageErrorKind};

use crate::hints;

/// Why a command did not come to its end. The exit code is its kind: hints and headings go by it.
#[derive(Debug)]
pub struct CliError {
    /// How the program ends.
    pub code: ExitCode,
    /// What failed and why, each a line of its own.
    pub messages: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
    /// What another program printed when it failed: shown in full, before the messages.
    pub output: Vec<String>,
    /// The doctor's check that looks where it went wrong, if one does.
    pub check: Option<&'static str>,
}

impl CliError {
    /// An error with a code.
    #[must_use]
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, messages: vec![message.into()], hints: Vec::new(), output: Vec::new(), check: None }
    }

    /// A missing or invalid value.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Says where it went wrong: by the doctor's check that looks there.
    #[must_use]
    pub fn at(mut self, check: &'static str) -> Self {
        self.check = Some(check);
        self
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
            CloudErrorKind::PermissionDenied | CloudErrorKind::ServiceDisabled => ExitCode::PermissionDenied,
            CloudErrorKind::NotFound => ExitCode::ResourceNotFound,
            CloudErrorKind::Conflict
            | CloudErrorKind::Invalid
            | CloudErrorKind::Quota
            | CloudErrorKind::Unreachable
            | CloudErrorKind::Failed => ExitCode::CloudFailed,
        };
        let told = Self::new(code, error.to_string());
        match error.kind {
            CloudErrorKind::NotSignedIn => told.hint(hints::SIGN_IN).at("machine-sign-in"),
            CloudErrorKind::PermissionDenied => told.at("permissions"),
            CloudErrorKind::ServiceDisabled => told.at("apis"),
            CloudErrorKind::Unreachable | CloudErrorKind::Failed => told.at("project"),
            CloudErrorKind::NotFound
            | CloudErrorKind::Conflict
            | CloudErrorKind::Invalid
            | CloudErrorKind::Quota => told,
        }
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        let code = match error.kind {
            ImageErrorKind::Source => ExitCode::Usage,
            ImageErrorKind::NotSignedIn => ExitCode::NotSignedIn,
            ImageErrorKind::PermissionDenied => ExitCode::PermissionDenied,
            ImageErrorKind::NotFound => ExitCode::ResourceNotFound,
            ImageErrorKind::Registry => ExitCode::CloudFailed,
            ImageErrorKind::NoEngine
            | ImageErrorKind::NoPermission
            | ImageErrorKind::BaseImage
            | ImageErrorKind::BuildFailed
            | ImageErrorKind::DiskFull
            | ImageErrorKind::PushFailed
            | ImageErrorKind::Engine => ExitCode::DockerFailed,
        };
        let hint = match error.kind {
            ImageErrorKind::NoEngine if cfg!(target_os = "linux") => {
                Some("start it with: sudo systemctl start docker")
            }
            ImageErrorKind::NoEngine => {
                Some("start Docker Desktop, or set DOCKER_HOST to the engine's address")
            }
            ImageErrorKind::NoPermission => {
                Some("allow it with: sudo usermod -aG docker \"$USER\", then sign in to this machine again")
            }
            ImageErrorKind::BaseImage => Some(
                "check that this machine reaches the registry of that image, or name another with \
                 --builder-image",
            ),
            ImageErrorKind::DiskFull => Some("make room with: docker system prune"),
            ImageErrorKind::NotSignedIn => Some(hints::SIGN_IN),
            ImageErrorKind::Registry => {
                Some("check this machine's network (VPN, proxy), then run the same command again")
            }
            ImageErrorKind::PermissionDenied => {
                Some("ask for the role roles/artifactregistry.writer on the repository")
            }
            ImageErrorKind::PushFailed => {
                Some("run the same command again: what has been pushed is not pushed again")
            }
            _ => None,
        };
        let mut told = Self::new(code, error.to_string());
        told.output = error.output;
        told.check = match error.kind {
            ImageErrorKind::NoEngine | ImageErrorKind::NoPermission | ImageErrorKind::DiskFull => {
                Some("machine-docker")
            }
            ImageErrorKind::NotSignedIn => Some("machine-sign-in"),
            ImageErrorKind::PermissionDenied => Some("permissions"),
            ImageErrorKind::NotFound | ImageErrorKind::Registry => Some("admin-image"),
            ImageErrorKind::Source
            | ImageErrorKind::BaseImage
            | ImageErrorKind::BuildFailed
            | ImageErrorKind::PushFailed
            | ImageErrorKind::Engine => None,
        };
        match hint {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}
