//! Errors as Google's APIs word them.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// An answer that is an error, in the JSON form of `google.rpc.Status`.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) http: StatusCode,
    status: String,
    message: String,
    details: Vec<Value>,
}

impl ApiError {
    fn new(http: StatusCode, status: &str, message: impl Into<String>) -> Self {
        Self { http, status: status.to_owned(), message: message.into(), details: Vec::new() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    /// A request that does not fit its message: one violation for each field, as the real parser
    /// lists them.
    pub(crate) fn violations(violations: &[Violation]) -> Self {
        let message =
            violations.iter().map(|violation| violation.description.as_str()).collect::<Vec<_>>().join("\n");
        let fields: Vec<Value> = violations
            .iter()
            .map(|violation| {
                let mut field = json!({ "description": violation.description });
                if !violation.field.is_empty() {
                    field["field"] = json!(violation.field);
                }
                field
            })
            .collect();
        Self::invalid(message).with(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": fields,
        }))
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "FAILED_PRECONDITION", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn already_exists(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ALREADY_EXISTS", message)
    }

    pub(crate) fn aborted(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ABORTED", message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
    }

    pub(crate) fn exhausted(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
    }

    pub(crate) fn unimplemented(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "UNIMPLEMENTED",
            format!("{what} is not emulated by cloud-emulator."),
        )
    }

    /// An error of a test's choosing; the status word follows from the code where none is given.
    pub(crate) fn of_code(http: StatusCode, status: Option<&str>, message: &str) -> Self {
        Self::new(http, status.unwrap_or(status_word(http)), message)
    }

    pub(crate) fn with(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut error = json!({
            "code": self.http.as_u16(),
            "message": self.message,
            "status": self.status,
        });
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details.clone());
        }
        json!({ "error": error })
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// One field of a request that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The field's path in the names of the API definition; empty for the request itself.
    pub(crate) field: String,
    pub(crate) description: String,
}

/// The word that goes with an HTTP status, after `google/rpc/code.proto`.
fn status_word(http: StatusCode) -> &'static str {
    match http.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}
