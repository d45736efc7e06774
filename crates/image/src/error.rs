//! What goes wrong with images, by kind.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as EngineError;
use oci_client::errors::{OciDistributionError, OciErrorCode};

/// What kind of failure it is: exit codes and hints go by this, never by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageErrorKind {
    /// No Docker engine answers.
    NoEngine,
    /// Where the engine is cannot be found out, or it cannot be reached in that way.
    EngineAddress,
    /// There is an engine, which this user may not use.
    NoPermission,
    /// The folder cannot be built from: no such file, not a git repository.
    Source,
    /// An image the build starts from is not there and cannot be pulled.
    BaseImage,
    /// A step of the build failed.
    BuildFailed,
    /// The engine's disk, or this machine's, is full.
    DiskFull,
    /// The engine could not push the image.
    PushFailed,
    /// The registry wants another sign-in.
    NotSignedIn,
    /// The access token is not for that host: it was not sent.
    UntrustedHost,
    /// The registry's certificate is from an issuer that this machine does not trust.
    UnknownIssuer,
    /// The registry knows who it is, and says no.
    PermissionDenied,
    /// The registry has no such repository.
    NotFound,
    /// The registry does not answer, or not sensibly.
    Registry,
    /// Anything else the engine says.
    Engine,
}

/// An image that could not be built, pushed or looked at.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing}: {message}")]
pub struct ImageError {
    /// What kind of failure it is.
    pub kind: ImageErrorKind,
    /// What was being done, as in "failed to …".
    pub doing: String,
    /// Why it failed, in words.
    pub message: String,
    /// Everything the failing step printed, where a build failed.
    pub output: Vec<String>,
    /// What to do next, where the kind alone does not tell.
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

    /// What the engine said; `kind` is what it is unless the engine tells better.
    pub(crate) fn engine(kind: ImageErrorKind, doing: impl Into<String>, error: &EngineError) -> Self {
        let message = match error {
            EngineError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
            EngineError::DockerStreamError { error } => error.trim().to_owned(),
            other => chain(other),
        };
        Self::new(engine_kind(error, &message).unwrap_or(kind), doing, message)
    }

    /// What this machine said about a file of our own. A full disk is that of the temporary folder then, not
    /// the engine's.
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

/// Whether a certificate is from an issuer that is not known here. The TLS library's error is inside of an
/// input or output error, which does not name it as its cause, but says its words.
fn unknown_issuer(error: &dyn StdError) -> bool {
    chain(error).contains("invalid peer certificate: UnknownIssuer")
}

/// An error and all its causes in one line; a cause that only repeats is left out.
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
    // The engine passes on what others said as text, without a code: the disk's and the registry's
    // words (measured on Engine 20.10).
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
        E::ImageManifestNotFoundError(what) => (ImageErrorKind::NotFound, what.clone()),
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

/// The innermost cause is the one that says something ("Connection refused").
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
