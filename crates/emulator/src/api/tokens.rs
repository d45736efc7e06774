//! Tokens: of a service account, for a refresh token, and whose one is.
//!
//! To add a method: its row in [`API`] and its function here.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::service::{Enabling, Service, permission_denied};
use crate::api_error::ApiError;
use crate::calls;
use crate::cloud::Cloud;
use crate::names::short_name;
use crate::resource::items;
use crate::schema;

const TOKENS: Service = Service {
    enabling: Some(Enabling {
        name: "iamcredentials.googleapis.com",
        title: "IAM Service Account Credentials API",
        // The project of a service account is in its name; the sign-in itself is no service of a project.
        projects: Some(|call| {
            let (_, host) = short_name(call.name()).split_once('@').unwrap_or_default();
            Ok(host.strip_suffix(".iam.gserviceaccount.com").map(str::to_owned).into_iter().collect())
        }),
    }),
    denied: |_, permission, _| {
        ApiError::denied(format!("Permission '{permission}' denied on resource (or it may not exist)."))
            .with(permission_denied("iam.googleapis.com", &json!({ "permission": permission })))
    },
};

/// The methods of IAM Service Account Credentials, and those of the sign-in.
pub(super) const API: Api = Api {
    service: &TOKENS,
    methods: &[
        Method::post(
            "google.iam.credentials.v1.IAMCredentials.GenerateAccessToken",
            "/v1/projects/*/serviceAccounts/*:generateAccessToken",
        )
        .needs(&["iam.serviceAccounts.getAccessToken"])
        .by(generate_token),
        Method::post(
            "google.iam.credentials.v1.IAMCredentials.GenerateIdToken",
            "/v1/projects/*/serviceAccounts/*:generateIdToken",
        ),
        Method::post(
            "google.iam.credentials.v1.IAMCredentials.SignBlob",
            "/v1/projects/*/serviceAccounts/*:signBlob",
        ),
        Method::post(
            "google.iam.credentials.v1.IAMCredentials.SignJwt",
            "/v1/projects/*/serviceAccounts/*:signJwt",
        ),
        Method::post("oauth2.googleapis.com/token", "/token").open().by(refresh),
        Method::post("google.identity.sts.v1.SecurityTokenService.ExchangeToken", "/v1/token")
            .open()
            .by(exchange),
        Method::get("openidconnect.googleapis.com/v1/userinfo", "/v1/userinfo")
            .by(|_, call| Ok(user_info(call))),
    ],
};

/// `google.iam.credentials.v1.IAMCredentials.GenerateAccessToken`: a token of a service account.
fn generate_token(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    // The documentation of the method: "By default, the maximum allowed value is 1 hour."
    const LONGEST: Duration = Duration::from_hours(1);
    let request = call.read("google.iam.credentials.v1.GenerateAccessTokenRequest", "")?;
    if items(&request["scope"]).is_empty() {
        return Err(ApiError::invalid("The request must contain at least one scope."));
    }
    let asked = request["lifetime"].as_str().and_then(schema::duration).unwrap_or(LONGEST);
    if asked > LONGEST {
        return Err(ApiError::invalid("The access token lifetime cannot exceed 3600 seconds (1 hour)."));
    }
    let account = short_name(call.name()).to_owned();
    let (token, lifetime) = cloud.tokens.issue(Some(account), Some(asked));
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
    let expires = Timestamp::now().checked_add(lifetime).unwrap_or(Timestamp::MAX);
    Ok(Reply::new(
        "google.iam.credentials.v1.GenerateAccessTokenResponse",
        json!({ "accessToken": token, "expireTime": expires.to_string() }),
    ))
}

/// The OAuth 2.0 token endpoint, for what an `authorized_user` file holds (RFC 6749, section 6).
/// Google's clients send JSON or a form.
fn refresh(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let (token, lifetime) = granted(cloud, call, "refresh_token", &["refresh_token", "client_id"])?;
    Ok(Reply::new(
        "",
        json!({
            "access_token": token,
            "expires_in": lifetime.as_secs(),
            "scope": "openid https://www.googleapis.com/auth/cloud-platform",
            "token_type": "Bearer",
        }),
    ))
}

/// `google.identity.sts.v1.SecurityTokenService.ExchangeToken` (RFC 8693): a token for one of another issuer's,
/// such as GitHub Actions'. Whose it is, is not looked at: there are no pools here. Google's clients send a form.
fn exchange(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
    let needed = ["audience", "requested_token_type", "subject_token", "subject_token_type"];
    let (token, lifetime) = granted(cloud, call, EXCHANGE, &needed)?;
    Ok(Reply::new(
        "",
        json!({
            "access_token": token,
            "expires_in": lifetime.as_secs(),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
        }),
    ))
}

/// A token and how long it is good, for a request with this grant and these parameters (RFC 6749, section 5.2, has
/// the refusals).
fn granted(
    cloud: &Cloud,
    call: &Call<'_>,
    grant: &str,
    needed: &[&str],
) -> Result<(String, Duration), ApiError> {
    let fields = calls::fields(call.body);
    let given = |name: &str| fields[name].as_str().unwrap_or_default();
    if given("grant_type") != grant {
        let text = format!("Invalid grant_type: {}", given("grant_type"));
        return Err(ApiError::oauth("unsupported_grant_type", text));
    }
    if let Some(name) = needed.iter().find(|name| given(name).is_empty()) {
        return Err(ApiError::oauth("invalid_request", format!("Missing required parameter: {name}")));
    }
    if let Some(why) = cloud.tokens.refusal() {
        return Err(ApiError::oauth("invalid_grant", why));
    }
    Ok(cloud.tokens.issue(None, None))
}

/// Whose token it is (`OpenID` Connect Core 1.0, section 5.3).
fn user_info(call: &Call<'_>) -> Reply {
    Reply::new("", json!({ "sub": "1", "email": call.caller, "email_verified": true }))
}
