//! The errors of this crate, and the one mapping from the errors of Google's clients to them.
//!
//! To add a kind: here, and in `error.rs` of the crate `operations`, which gives kinds their exit codes and
//! hints.

use std::collections::HashMap;
use std::error::Error as _;

use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_gax::error::{CredentialsError, Error as GaxError};
use serde_json::Value;

/// The kind of a failure: exit codes and hints go by this, never by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudErrorKind {
    /// No credentials, or they were refused. Nothing was done.
    NotSignedIn,
    /// A permission is missing.
    PermissionDenied,
    /// The service is not enabled in the project: no role would help.
    ServiceDisabled,
    /// The resource does not exist.
    NotFound,
    /// Somebody changed the resource in between.
    Conflict,
    /// The request was refused as invalid.
    Invalid,
    /// A quota is exhausted.
    Quota,
    /// No connection could be made, so nothing was sent.
    Unreachable,
    /// A server's certificate is from an issuer that this machine does not trust. Nothing was sent.
    UnknownIssuer,
    /// The access token is not for that host. Nothing was sent.
    UntrustedHost,
    /// The service failed, or the answer was lost: what was sent may have had its effect.
    Failed,
}

/// A call to Google Cloud that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing}: {message}")]
pub struct CloudError {
    /// The kind of the failure.
    pub kind: CloudErrorKind,
    /// The action that failed, as in "failed to …".
    pub doing: &'static str,
    /// The reason, in the service's words where it gave any.
    pub message: String,
    /// The service that is not enabled, where that is the reason and the service named itself.
    pub disabled: Option<Box<DisabledService>>,
}

/// A service of Google Cloud that is not enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledService {
    /// Its name, such as `run.googleapis.com`.
    pub service: String,
    /// The id or the number of the project that it has to be enabled in. That need not be the project which the
    /// call was about.
    pub project: String,
}

impl CloudError {
    pub(crate) fn new(doing: &'static str, error: &GaxError) -> Self {
        let disabled = service_disabled(error).and_then(DisabledService::of);
        Self { disabled, ..Self::of(kind(error), doing, message(error)) }
    }

    pub(crate) fn of(kind: CloudErrorKind, doing: &'static str, message: impl Into<String>) -> Self {
        Self { kind, doing, message: message.into(), disabled: None }
    }

    pub(crate) fn other(doing: &'static str, message: impl Into<String>) -> Self {
        Self::of(CloudErrorKind::Failed, doing, message)
    }

    /// Whether the service certainly did nothing: it refused, or was never reached.
    #[must_use]
    pub fn refused(&self) -> bool {
        !matches!(self.kind, CloudErrorKind::Failed)
    }
}

impl DisabledService {
    /// Reads the metadata of the detail `google.rpc.ErrorInfo`.
    fn of(metadata: &HashMap<String, String>) -> Option<Box<Self>> {
        let project = metadata.get("consumer")?.strip_prefix("projects/")?.to_owned();
        Some(Box::new(Self { service: metadata.get("service")?.clone(), project }))
    }
}

fn kind(error: &GaxError) -> CloudErrorKind {
    if unknown_issuer(error) {
        return CloudErrorKind::UnknownIssuer;
    }
    // Without a network nobody has refused the sign-in: the code below deals with that.
    if error.is_authentication() && !error.is_transient_and_before_rpc() {
        return CloudErrorKind::NotSignedIn;
    }
    if error.is_connect() || error.is_transient_and_before_rpc() {
        return CloudErrorKind::Unreachable;
    }
    if error.is_binding() || error.is_serialization() {
        return CloudErrorKind::Invalid;
    }
    if service_disabled(error).is_some() {
        return CloudErrorKind::ServiceDisabled;
    }
    // Errors of Cloud SQL and Cloud Storage have no status word, which then reads as unknown.
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
        Some(409 | 412) => CloudErrorKind::Conflict,
        Some(400 | 501) => CloudErrorKind::Invalid,
        Some(429) => CloudErrorKind::Quota,
        _ => CloudErrorKind::Failed,
    }
}

/// The reason of a service that is not enabled: every service gives the same one ("Error messages", Service Usage),
/// and services with the older form of errors another one.
const DISABLED: [&str; 2] = ["SERVICE_DISABLED", "accessNotConfigured"];

/// The metadata of the detail by which the service says that it is not enabled.
fn service_disabled(error: &GaxError) -> Option<&HashMap<String, String>> {
    error.status()?.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) if DISABLED.contains(&info.reason.as_str()) => Some(&info.metadata),
        _ => None,
    })
}

/// The service's own words; without any, the innermost cause, which is the specific one ("Connection refused"
/// rather than "error sending request").
fn message(error: &GaxError) -> String {
    if unknown_issuer(error) {
        return UNKNOWN_ISSUER.to_owned();
    }
    if let Some(status) = error.status() {
        return status.message.clone();
    }
    if let Some(error) = error.source().and_then(<dyn std::error::Error>::downcast_ref::<CredentialsError>) {
        return sign_in_message(error);
    }
    match error.http_status_code() {
        Some(code) if error.source().is_none() => format!("the service answered with HTTP status {code}"),
        _ => words(error).pop().unwrap_or_default(),
    }
}

/// The message in place of the TLS library's own, "invalid peer certificate: `UnknownIssuer`".
const UNKNOWN_ISSUER: &str = "the server's certificate is from an issuer that this machine does not trust";

/// Whether a server's certificate is from an issuer that this machine does not trust, as behind a proxy that
/// decrypts TLS.
fn unknown_issuer(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustls::{CertificateError, Error as TlsError};
    has_tls_error(error, |tls| match tls {
        TlsError::InvalidCertificate(why) => {
            matches!(why, CertificateError::UnknownIssuer) || why.to_string().contains("UnknownIssuer")
        }
        _ => false,
    })
}

/// Whether TLS failed because the server speaks none of the offered application protocols.
pub(crate) fn no_application_protocol(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustls::{AlertDescription, Error as TlsError};
    has_tls_error(error, |tls| {
        matches!(
            tls,
            TlsError::AlertReceived(AlertDescription::NoApplicationProtocol)
                | TlsError::NoApplicationProtocol
        )
    })
}

/// Whether an error or one of its causes is a TLS error of the wanted kind. An input or output error does not
/// name the error inside it as its cause, so the inner error is examined as well.
fn has_tls_error(error: &(dyn std::error::Error + 'static), wanted: impl Fn(&rustls::Error) -> bool) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let mut inner = error;
        while let Some(within) = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            inner = within;
        }
        if inner.downcast_ref::<rustls::Error>().is_some_and(&wanted) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether Google demands that the person signs in again before it gives out a token ("Google Cloud session
/// control"). gcloud can answer that with data that it keeps beside the credentials; the client cannot.
pub(crate) fn wants_reauthentication(error: &CredentialsError) -> bool {
    const REASONS: [&str; 2] = ["invalid_rapt", "rapt_required"];
    words(error).iter().any(|text| REASONS.iter().any(|reason| text.contains(reason)))
}

/// The messages of an error and its causes, the innermost last.
fn words(error: &dyn std::error::Error) -> Vec<String> {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words
}

/// The error when there is no token.
pub(crate) fn sign_in_failure(doing: &'static str, error: &CredentialsError) -> CloudError {
    if unknown_issuer(error) {
        return CloudError::of(CloudErrorKind::UnknownIssuer, doing, UNKNOWN_ISSUER);
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        let status = inner.downcast_ref::<GaxError>().and_then(GaxError::http_status_code);
        // A caller who may not act as a service account is signed in all the same.
        if status == Some(403)
            && let Some(answer) = words(error).iter().find_map(|text| answer_in(text))
            && let Some(said) = said(&answer)
        {
            let Some(metadata) = disabled_in(&answer) else {
                return CloudError::of(CloudErrorKind::PermissionDenied, doing, said);
            };
            let disabled = DisabledService::of(&metadata);
            return CloudError { disabled, ..CloudError::of(CloudErrorKind::ServiceDisabled, doing, said) };
        }
        cause = inner.source();
    }
    // Not every failure is a refusal: without a network nobody has refused anything.
    let kind = if error.is_transient() { CloudErrorKind::Unreachable } else { CloudErrorKind::NotSignedIn };
    CloudError::of(kind, doing, sign_in_message(error))
}

/// The reason why there is no token: in the words of the token service, where it gave any.
pub(crate) fn sign_in_message(error: &CredentialsError) -> String {
    let mut words = words(error);
    if let Some(said) = words.iter().find_map(|text| said(&answer_in(text)?)) {
        return format!("the sign-in was refused: {said}");
    }
    let text = words.pop().unwrap_or_default();
    // The kind says what the clients append to every message.
    [" and future attempts will not succeed", " but future attempts may succeed"]
        .iter()
        .find_map(|end| text.strip_suffix(end))
        .unwrap_or(&text)
        .to_owned()
}

/// An answer, which the clients put into their message as a whole.
fn answer_in(text: &str) -> Option<Value> {
    serde_json::from_str(text.get(text.find('{')?..=text.rfind('}')?)?).ok()
}

/// The readable part of an answer (RFC 6749, section 5.2, and Google's own errors).
fn said(answer: &Value) -> Option<String> {
    [&answer["error_description"], &answer["error"]["message"], &answer["error"]]
        .iter()
        .find_map(|said| said.as_str().map(str::to_owned))
}

/// The metadata of the detail by which an answer says that a service is not enabled.
fn disabled_in(answer: &Value) -> Option<HashMap<String, String>> {
    let details = answer["error"]["details"].as_array()?;
    let is = |detail: &&Value| detail["reason"].as_str().is_some_and(|reason| DISABLED.contains(&reason));
    let metadata = details.iter().find(is)?["metadata"].clone();
    Some(serde_json::from_value(metadata).unwrap_or_default())
}
