//! The error that every operation and command returns: the failure, its cause, and what to type next.
//!
//! Errors of the cloud and of images are converted here, with their exit codes, hints and the doctor's check
//! that examines them. To add a kind of them: its arms in the two conversions below.

use std::fmt;
use std::path::Path;

use quill_admin_application::Broken;
use quill_admin_cloud::{CloudError, CloudErrorKind};
use quill_admin_contract::{ExitCode, InvalidValue};
use quill_admin_image::{ImageError, ImageErrorKind};

/// Advice: why, and behind a colon what is to be typed, which ends the line and can be copied. Everything that
/// advises a command is written with this. A command that is only named in a sentence stands in double quotes,
/// like every value there.
#[must_use]
pub fn advice(why: &str, command: &str) -> String {
    format!("{why}: {command}")
}

/// The hint with the command that enables services of Google Cloud in a project.
#[must_use]
pub fn enable(services: &str, project: &str) -> String {
    advice("enable with", &format!("gcloud services enable {services} --project={project}"))
}

/// A path, quoted so that it can be pasted into a shell.
#[must_use]
pub fn quoted(path: &Path) -> String {
    quote(&path.display().to_string())
}

/// A word, quoted so that it can be pasted into a shell. On Windows that is done only where it has to be, since its
/// two shells have only double quotes in common.
#[must_use]
pub fn quote(word: &str) -> String {
    if !cfg!(windows) {
        return shell_words::quote(word).into_owned();
    }
    let plain = |letter: char| letter.is_alphanumeric() || r"\/:._-@+=".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("\"{word}\"") }
}

/// The hint for a person who is not signed in, or whose sign-in is not accepted.
pub const SIGN_IN: &str = "sign in with: quill-admin login";

/// The hint for a certificate whose issuer is not known, as behind a proxy that intercepts TLS. On Windows the
/// clients ask the system, which reads no variable.
pub const UNKNOWN_ISSUER: &str = if cfg!(windows) {
    "if your network has an authority of its own, let Windows trust it: certutil -user -addstore Root FILE"
} else {
    "if your network has an authority of its own, name its certificates: SSL_CERT_FILE=FILE"
};

/// The hint for a host that the sign-in is not meant for.
pub const TRUST_HOST: &str = "if you trust that host with your sign-in, add: --trust-host HOST";

/// The reason why a command did not come to its end. The exit code is its kind: hints and headings depend on
/// it.
#[derive(Debug, Clone)]
pub struct CliError {
    /// The exit code of the program.
    pub code: ExitCode,
    /// The failure and its cause, each message on a line of its own.
    pub messages: Vec<String>,
    /// The steps to take next.
    pub hints: Vec<String>,
    /// The output of another program that failed: it is shown in full, before the messages.
    pub output: Vec<String>,
    /// The id of the doctor's check that examines the place of the failure, if there is one.
    pub check: Option<&'static str>,
    /// Whether the certificate of a server is from an issuer that is not known here.
    pub unknown_issuer: bool,
}

impl CliError {
    /// Makes an error with a code.
    #[must_use]
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            code,
            messages: vec![message.into()],
            hints: Vec::new(),
            output: Vec::new(),
            check: None,
            unknown_issuer: false,
        }
    }

    /// Makes an error about a missing or invalid value.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Makes an error about an interrupt, by the person at the terminal or by a signal; `told` says what
    /// follows from it.
    #[must_use]
    pub fn interrupted(told: &str) -> Self {
        Self::new(ExitCode::Interrupted, format!("interrupted; {told}"))
    }

    /// Names the doctor's check that examines the place of the failure.
    #[must_use]
    pub fn at(mut self, check: &'static str) -> Self {
        self.check = Some(check);
        self
    }

    /// Adds a hint. One that is there already is not repeated.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Adds several next steps, or none.
    #[must_use]
    pub fn hints(self, hints: impl IntoIterator<Item = String>) -> Self {
        hints.into_iter().fold(self, Self::hint)
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

impl From<Broken> for CliError {
    fn from(broken: Broken) -> Self {
        let mut error = Self::usage("");
        error.messages = broken.to_string().lines().map(str::to_owned).collect();
        error
    }
}

impl From<CloudError> for CliError {
    fn from(error: CloudError) -> Self {
        let code = match error.kind {
            CloudErrorKind::NotSignedIn => ExitCode::NotSignedIn,
            CloudErrorKind::PermissionDenied | CloudErrorKind::ServiceDisabled => ExitCode::PermissionDenied,
            CloudErrorKind::NotFound => ExitCode::ResourceNotFound,
            CloudErrorKind::UntrustedHost => ExitCode::Usage,
            CloudErrorKind::Conflict
            | CloudErrorKind::Invalid
            | CloudErrorKind::Quota
            | CloudErrorKind::Unreachable
            | CloudErrorKind::UnknownIssuer
            | CloudErrorKind::Failed => ExitCode::CloudFailed,
        };
        let mut told = Self::new(code, error.to_string());
        told.unknown_issuer = error.kind == CloudErrorKind::UnknownIssuer;
        match error.kind {
            CloudErrorKind::NotSignedIn => told.hint(SIGN_IN).at("machine-sign-in"),
            CloudErrorKind::PermissionDenied => told.at("permissions"),
            CloudErrorKind::ServiceDisabled => {
                let enable = error.disabled.map(|disabled| enable(&disabled.service, &disabled.project));
                told.hints(enable).at("apis")
            }
            CloudErrorKind::UnknownIssuer => told.hint(UNKNOWN_ISSUER),
            CloudErrorKind::UntrustedHost => told.hint(TRUST_HOST),
            CloudErrorKind::Unreachable | CloudErrorKind::Failed => told.at("project"),
            CloudErrorKind::Quota => told.hint(
                "the quota is shared by everybody who uses the project: run the same command again in a minute",
            ),
            CloudErrorKind::NotFound | CloudErrorKind::Conflict | CloudErrorKind::Invalid => told,
        }
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        let code = match error.kind {
            ImageErrorKind::Source | ImageErrorKind::UntrustedHost => ExitCode::Usage,
            ImageErrorKind::NotSignedIn => ExitCode::NotSignedIn,
            ImageErrorKind::PermissionDenied => ExitCode::PermissionDenied,
            ImageErrorKind::NotFound => ExitCode::ResourceNotFound,
            ImageErrorKind::Registry | ImageErrorKind::UnknownIssuer => ExitCode::CloudFailed,
            ImageErrorKind::NoEngine
            | ImageErrorKind::EngineAddress
            | ImageErrorKind::NoPermission
            | ImageErrorKind::BaseImage
            | ImageErrorKind::BuildFailed
            | ImageErrorKind::DiskFull
            | ImageErrorKind::PushFailed
            | ImageErrorKind::Engine => ExitCode::DockerFailed,
        };
        let hint = match error.kind {
            // The engine was there before: where it never was, the error has a hint of its own.
            ImageErrorKind::NoEngine => Some("start the Docker engine, then run the same command again"),
            ImageErrorKind::NoPermission => {
                Some("allow it with: sudo usermod -aG docker \"$USER\", then sign in to this machine again")
            }
            ImageErrorKind::BaseImage => Some(
                "check that this machine reaches the registry of that image, or name another with \
                 --builder-image",
            ),
            ImageErrorKind::DiskFull => Some("make room with: docker system prune"),
            ImageErrorKind::NotSignedIn => Some(SIGN_IN),
            ImageErrorKind::UnknownIssuer => Some(UNKNOWN_ISSUER),
            ImageErrorKind::UntrustedHost => Some(TRUST_HOST),
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
        told.unknown_issuer = error.kind == ImageErrorKind::UnknownIssuer;
        told.check = match error.kind {
            ImageErrorKind::NoEngine
            | ImageErrorKind::EngineAddress
            | ImageErrorKind::NoPermission
            | ImageErrorKind::DiskFull => Some("machine-docker"),
            ImageErrorKind::NotSignedIn => Some("machine-sign-in"),
            ImageErrorKind::PermissionDenied => Some("permissions"),
            ImageErrorKind::NotFound | ImageErrorKind::Registry => Some("admin-image"),
            ImageErrorKind::Source
            | ImageErrorKind::UntrustedHost
            | ImageErrorKind::UnknownIssuer
            | ImageErrorKind::BaseImage
            | ImageErrorKind::BuildFailed
            | ImageErrorKind::PushFailed
            | ImageErrorKind::Engine => None,
        };
        // The error's own hint knows more than its kind.
        match error.hint.or_else(|| hint.map(str::to_owned)) {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}
