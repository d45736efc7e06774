//! The errors of this crate, by kind, and their messages.
//!
//! To add a kind: here, and in `error.rs` of the crate `operations`, which gives kinds their exit codes and
//! hints.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as EngineError;
use oci_client::errors::{OciDistributionError, OciErrorCode};

/// The kind of a failure: exit codes and hints go by this, never by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageErrorKind {
    /// No Docker engine answers.
    NoEngine,
    /// The engine's address cannot be found out, or its form is not supported.
    EngineAddress,
    /// An engine answers, but this user may not use it.
    NoPermission,
    /// The folder cannot be built from: a file is missing, or it is not in a git repository.
    Source,
    /// A base image of the build does not exist or cannot be pulled.
    BaseImage,
    /// A step of the build failed.
    BuildFailed,
    /// The engine's disk, or this machine's, is full.
    DiskFull,
    /// The engine could not push the image.
    PushFailed,
    /// The registry asks for another sign-in.
    NotSignedIn,
    /// The access token must not be sent to that host, and was not sent.
    UntrustedHost,
    /// The registry's certificate is from an issuer that this machine does not trust.
    UnknownIssuer,
    /// The registry accepts the sign-in, and denies the permission.
    PermissionDenied,
    /// The registry has no such repository.
    NotFound,
    /// The registry does not answer, or its answer makes no sense.
    Registry,
    /// Any other error of the engine.
    Engine,
}

/// An image that could not be built, pushed or read.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing}: {message}")]
pub struct ImageError {
    /// The kind of the failure.
    pub kind: ImageErrorKind,
    /// The action that failed, as in "failed to …".
    pub doing: String,
    /// The reason, in words.
    pub message: String,
    /// The whole output of the failing step, where a build failed.
    pub output: Vec<String>,
    /// The next step for the person, where the kind alone does not tell.
    pub hint: Option<String>,
}

impl ImageError {
    pub(crate) fn new(kind: ImageErrorKind, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), message: message.into(), output: Vec::new(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn source(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ImageErrorKind::Source, doing, message)
    }

    /// An error of the engine; `kind` is used unless the engine's error gives a more exact one.
    pub(crate) fn engine(kind: ImageErrorKind, doing: impl Into<String>, error: &EngineError) -> Self {
        let message = match error {
            EngineError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
            EngineError::DockerStreamError { error } => error.trim().to_owned(),
            other => chain(other),
        };
        Self::new(engine_kind(error, &message).unwrap_or(kind), doing, message)
    }

    /// An error of this machine about a file of our own. If a disk is full, it is that of the temporary
    /// folder, and not the engine's.
    pub(crate) fn local(doing: impl Into<String>, error: &io::Error) -> Self {
        if error.kind() != io::ErrorKind::StorageFull {
            return Self::new(ImageErrorKind::Engine, doing, error.to_string());
        }
        let folder = std::env::temp_dir();
        let message = format!("the disk of the temporary folder {} is full", folder.display());
        Self::new(ImageErrorKind::DiskFull, doing, message).hint(
            "make room there, or name a folder on another disk with TMPDIR, then run the same command again",
        )
    }

    pub(crate) fn registry(doing: impl Into<String>, error: &OciDistributionError) -> Self {
        let (kind, message) = if unknown_issuer(error) {
            let message = "the registry's certificate is from an issuer that this machine does not trust";
            (ImageErrorKind::UnknownIssuer, message.to_owned())
        } else {
            registry_kind(error)
        };
        Self::new(kind, doing, message)
    }
}

/// Whether a certificate is from an issuer that this machine does not trust. The TLS library's error is
/// inside an input or output error, which does not name it as its cause, but repeats its words.
fn unknown_issuer(error: &dyn StdError) -> bool {
    chain(error).contains("invalid peer certificate: UnknownIssuer")
}

/// An error and all its causes in one line, without causes that only repeat.
fn chain(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    message
}

fn engine_kind(error: &EngineError, message: &str) -> Option<ImageErrorKind> {
    // The engine passes errors of others on as text, without a code: those of the disk and of the registry
    // (measured on Engine 20.10).
    if message.contains("no space left on device") {
        return Some(ImageErrorKind::DiskFull);
    }
    if message.contains("unauthorized: authentication required")
        || message.contains("no basic auth credentials")
    {
        return Some(ImageErrorKind::NotSignedIn);
    }
    if message.starts_with("denied:") {
        return Some(ImageErrorKind::PermissionDenied);
    }
    if let EngineError::SocketNotFoundError(_) = error {
        return Some(ImageErrorKind::NoEngine);
    }
    let mut source: Option<&dyn StdError> = Some(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::PermissionDenied => return Some(ImageErrorKind::NoPermission),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    return Some(ImageErrorKind::NoEngine);
                }
                io::ErrorKind::StorageFull => return Some(ImageErrorKind::DiskFull),
                _ => {}
            }
        }
        source = cause.source();
    }
    None
}

fn registry_kind(error: &OciDistributionError) -> (ImageErrorKind, String) {
    use OciDistributionError as E;
    match error {
        E::UnauthorizedError { .. } | E::ServerError { code: 401, .. } => {
            (ImageErrorKind::NotSignedIn, "the registry refused the access token".to_owned())
        }
        E::AuthenticationFailure(reason) => {
            (ImageErrorKind::NotSignedIn, format!("the registry refused the access token: {}", reason.trim()))
        }
        E::ServerError { code: 403, message, .. } => (
            ImageErrorKind::PermissionDenied,
            words(message).unwrap_or_else(|| or(message, "the registry denies access")),
        ),
        E::ServerError { code: 404, message, .. } => (ImageErrorKind::NotFound, or(message, "not found")),
        E::ServerError { code, message, .. } => {
            let told = words(message).map_or_else(
                || format!("HTTP status {code} {}", message.trim()),
                |words| format!("HTTP status {code}: {words}"),
            );
            (ImageErrorKind::Registry, told)
        }
        // The registry has the index, and no image in it that could be read.
        E::ImageManifestNotFoundError(_) => {
            (ImageErrorKind::Registry, "it is an index that names no image".to_owned())
        }
        E::RegistryError { envelope, .. } => {
            let message =
                envelope.errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ");
            let kind = match envelope.errors.first().map(|error| &error.code) {
                Some(OciErrorCode::Unauthorized) => ImageErrorKind::NotSignedIn,
                Some(OciErrorCode::Denied) => ImageErrorKind::PermissionDenied,
                Some(
                    OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::BlobUnknown
                    | OciErrorCode::NotFound,
                ) => ImageErrorKind::NotFound,
                _ => ImageErrorKind::Registry,
            };
            (kind, message)
        }
        other => (ImageErrorKind::Registry, innermost(other)),
    }
}

/// The messages of a registry's answer in JSON (OCI distribution specification, "Error Codes").
fn words(answer: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let errors = answer["errors"].as_array()?;
    let messages: Vec<&str> = errors.iter().filter_map(|error| error["message"].as_str()).collect();
    let messages = messages.join("; ");
    (!messages.is_empty()).then_some(messages)
}

fn or(text: &str, default: &str) -> String {
    let text = text.trim();
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

/// The innermost cause, which is the specific one ("Connection refused").
fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_that_of_whom_it_is() {
        let own = ImageError::local("pack the files", &io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(own.kind, ImageErrorKind::DiskFull);
        let folder = std::env::temp_dir().display().to_string();
        assert!(own.to_string().contains(&folder), "{own}");
        assert!(own.hint.as_deref().is_some_and(|hint| hint.contains("TMPDIR")), "{own:?}");
        let engine = EngineError::DockerStreamError { error: "write /a: no space left on device".to_owned() };
        let engine = ImageError::engine(ImageErrorKind::BuildFailed, "build", &engine);
        assert_eq!((engine.kind, engine.hint), (ImageErrorKind::DiskFull, None));
        let other = ImageError::local("pack the files", &io::Error::other("broken"));
        assert_eq!(other.kind, ImageErrorKind::Engine);
    }
}
