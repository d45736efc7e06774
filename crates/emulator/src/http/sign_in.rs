//! Whether a caller is let in.

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use crate::api_error::ApiError;
use crate::tokens::{NotAuthenticated, Tokens};

/// Checks the token of a call, and returns the account that it belongs to; `None` where the token names none. Nobody
/// is checked unless a test asks for a token.
pub(crate) fn authenticate(tokens: &Tokens, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    const EXPECTED: &str = "Expected OAuth 2 access token, login cookie or other valid \
        authentication credential. See \
        https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let (problem, reason) = match tokens.check(headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes))
    {
        Ok(own) => return Ok(own),
        Err(NotAuthenticated::Invalid) => {
            ("Request had invalid authentication credentials.", "ACCESS_TOKEN_EXPIRED")
        }
        Err(NotAuthenticated::Missing) => {
            ("Request is missing required authentication credential.", "CREDENTIALS_MISSING")
        }
    };
    Err(ApiError::unauthenticated(format!("{problem} {EXPECTED}")).with(json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
    })))
}
