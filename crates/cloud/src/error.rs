//! One mapping from the clients' errors to ours.

use std::error::Error as _;

use google_cloud_gax::error::Error as GaxError;
use google_cloud_gax::error::rpc::Code;

/// What kind of failure it is: exit codes and hints go by this, never by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudErrorKind {
    /// No credentials, or they were refused.
    NotSignedIn,
    /// A permission is missing.
    PermissionDenied,
    /// The resource does not exist.
    NotFound,
    /// Somebody changed the resource in between.
    Conflict,
    /// The request was refused as invalid.
    Invalid,
    /// A quota is used up.
    Quota,
    /// Nobody answered: no connection could be made, so nothing was sent.
    Unreachable,
    /// The service failed, or the answer was lost: what was sent may have had its effect.
    Failed,
}

/// A call to Google Cloud that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing}: {message}")]
pub struct CloudError {
    /// What kind of failure it is.
    pub kind: CloudErrorKind,
    /// What was being done, as in "failed to …".
    pub doing: &'static str,
    /// Why, in the service's words where it gave any.
    pub message: String,
}

impl CloudError {
    pub(crate) fn new(doing: &'static str, error: &GaxError) -> Self {
        Self { kind: kind(error), doing, message: message(error) }
    }

    pub(crate) fn other(doing: &'static str, message: impl Into<String>) -> Self {
        Self { kind: CloudErrorKind::Failed, doing, message: message.into() }
    }

    /// Whether the service certainly did nothing: it refused, or was never reached.
    #[must_use]
    pub fn refused(&self) -> bool {
        !matches!(self.kind, CloudErrorKind::Failed)
    }

    /// Whether asking again would not help. A 404 may go: what is new is not seen everywhere at once.
    #[must_use]
    pub fn is_final(&self) -> bool {
        use CloudErrorKind::{Invalid, NotSignedIn, PermissionDenied};
        matches!(self.kind, NotSignedIn | PermissionDenied | Invalid)
    }
}

fn kind(error: &GaxError) -> CloudErrorKind {
    if error.is_authentication() {
        return CloudErrorKind::NotSignedIn;
    }
    if error.is_connect() || error.is_transient_and_before_rpc() {
        return CloudErrorKind::Unreachable;
    }
    if error.is_binding() || error.is_serialization() {
        return CloudErrorKind::Invalid;
    }
    // Cloud SQL's errors have no status word, which then reads as unknown.
    if let Some(status) = error.status().filter(|status| status.code != Code::Unknown) {
        return match status.code {
            Code::Unauthenticated => CloudErrorKind::NotSignedIn,
            Code::PermissionDenied => CloudErrorKind::PermissionDenied,
            Code::NotFound => CloudErrorKind::NotFound,
            Code::Aborted | Code::AlreadyExists => CloudErrorKind::Conflict,
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::Unimplemented => {
                CloudErrorKind::Invalid
            }
            Code::ResourceExhausted => CloudErrorKind::Quota,
            _ => CloudErrorKind::Failed,
        };
    }
    match error.http_status_code() {
        Some(401) => CloudErrorKind::NotSignedIn,
        Some(403) => CloudErrorKind::PermissionDenied,
        Some(404) => CloudErrorKind::NotFound,
        Some(409) => CloudErrorKind::Conflict,
        Some(400 | 501) => CloudErrorKind::Invalid,
        Some(429) => CloudErrorKind::Quota,
        _ => CloudErrorKind::Failed,
    }
}

/// The service's own words; else the innermost cause, which is the one that says something
/// ("Connection refused" rather than "error sending request").
fn message(error: &GaxError) -> String {
    if let Some(status) = error.status() {
        return status.message.clone();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match error.http_status_code() {
        Some(code) if error.source().is_none() => format!("the service answered with HTTP status {code}"),
        _ => innermost.to_string(),
    }
}
