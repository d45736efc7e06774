//! Errors as Google's APIs word them.
//!
//! To add an error: a function here with its status and its words. To add a form of errors: a variant of `Form`, and
//! its arms in `text` and `body`.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// An answer that is an error, in the JSON form of `google.rpc.Status`.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) http: StatusCode,
    status: String,
    message: String,
    details: Vec<Value>,
    form: Form,
}

/// The JSON forms an error comes in.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// `google.rpc.Status`.
    Status,
    /// The list of the older APIs, with the one word that tells their errors apart, and the header it is
    /// about.
    Reason(&'static str, Option<Header>),
    /// The message alone.
    Text,
    /// No body at all.
    Nothing,
    /// The form of OAuth 2.0, with its error code.
    OAuth(&'static str),
}

/// The header of a request that an error is about, where the error names one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Header {
    Authorization,
    /// `If-Match`, also where the condition was a query parameter.
    IfMatch,
    IfNoneMatch,
}

impl ApiError {
    fn new(http: StatusCode, status: &str, message: impl Into<String>) -> Self {
        Self {
            http,
            status: status.to_owned(),
            message: message.into(),
            details: Vec::new(),
            form: Form::Status,
        }
    }

    /// No error, where gRPC says how a stream ends.
    pub(crate) fn none() -> Self {
        Self::new(StatusCode::OK, "OK", "")
    }

    /// An error in the form of the APIs that are older than `google.rpc.Status`, of which the Cloud
    /// SQL Admin API is one: no status word, and a list of errors with a domain and a reason.
    pub(crate) fn of_reason(http: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { form: Form::Reason(reason, None), ..Self::new(http, "", message) }
    }

    /// Says which header it is about, where the form has a place for that.
    pub(crate) fn at(mut self, header: Header) -> Self {
        if let Form::Reason(_, at) = &mut self.form {
            *at = Some(header);
        }
        self
    }

    /// The same without its form: what a download is answered with.
    pub(crate) fn into_text(self) -> Self {
        Self { form: Form::Text, ..self }
    }

    /// The caller has what it asks for already.
    pub(crate) fn not_modified() -> Self {
        Self { form: Form::Nothing, ..Self::new(StatusCode::NOT_MODIFIED, "", "") }
    }

    /// An error of the OAuth 2.0 token endpoint (RFC 6749, section 5.2).
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        Self { form: Form::OAuth(error), ..Self::new(StatusCode::BAD_REQUEST, "", description) }
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
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
    pub(crate) fn of_http(code: u16, status: Option<&str>, message: &str) -> Self {
        let http = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(http, status.unwrap_or(status_word(http)), message)
    }

    /// The `google.rpc.Code`, which gRPC has in place of the HTTP status.
    pub(crate) fn rpc_code(&self) -> i32 {
        const CODES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        let place = CODES.iter().position(|word| *word == self.status);
        place.and_then(|place| i32::try_from(place).ok()).unwrap_or(2)
    }

    pub(crate) fn with(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// The body, where that is not JSON.
    pub(crate) fn text(&self) -> Option<&str> {
        matches!(self.form, Form::Text | Form::Nothing).then_some(self.message.as_str())
    }

    /// The body, where that is JSON.
    pub(crate) fn body(&self) -> Value {
        match self.form {
            Form::Status | Form::Text | Form::Nothing => {}
            Form::Reason(reason, at) => {
                let mut item = json!({ "message": self.message, "domain": "global", "reason": reason });
                if let Some(header) = at {
                    item["locationType"] = json!("header");
                    item["location"] = json!(match header {
                        Header::Authorization => "Authorization",
                        Header::IfMatch => "If-Match",
                        Header::IfNoneMatch => "If-None-Match",
                    });
                }
                return json!({"error": {
                    "code": self.http.as_u16(),
                    "message": self.message,
                    "errors": [item],
                }});
            }
            Form::OAuth(error) => return json!({ "error": error, "error_description": self.message }),
        }
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
