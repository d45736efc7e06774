//! Makes credentials from what was found: from a file, through gcloud, or for acting as a service account.
//!
//! To support another type of credentials: its arm in `Recipe::make`.

use std::path::PathBuf;

use google_cloud_auth::credentials::{
    AccessTokenCredentials, Credentials, external_account, impersonated, service_account, user_account,
};
use serde_json::Value;

use super::failure::not_signed_in;
use super::ready_token::{Ready, Supply};
use crate::error::CloudError;

/// The scope that every call of this program needs ("OAuth 2.0 Scopes for Google APIs").
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The way to make credentials, which can be repeated.
pub(super) enum Recipe {
    File(PathBuf),
    Json(Value),
    /// `gcloud auth print-access-token`, told to act as a service account, or left to its configuration.
    Gcloud {
        acts_as: Option<String>,
    },
    Impersonated {
        of: Box<Recipe>,
        target: Target,
        service: Option<String>,
    },
}

/// The service account to act as.
pub(super) struct Target {
    pub(super) account: String,
    /// Service accounts each of which acts on behalf of the one before it.
    delegates: Vec<String>,
}

impl Target {
    /// Reads the form that gcloud writes: the account last, after those through which it is reached, with
    /// commas.
    pub(super) fn of(chain: &str) -> Self {
        let mut accounts: Vec<String> = chain.split(',').map(|one| one.trim().to_owned()).collect();
        let account = accounts.pop().unwrap_or_default();
        Self { account, delegates: accounts }
    }
}

impl Recipe {
    pub(super) fn make(&self) -> Result<AccessTokenCredentials, CloudError> {
        let invalid = |error: google_cloud_auth::build_errors::Error| {
            // Other texts may quote the file, which is secret.
            let words = error.to_string();
            let what = words
                .rsplit_once("missing field")
                .map_or("they are not as Google writes them".to_owned(), |(_, field)| {
                    format!("there is no {}", field.trim().replace('`', "\""))
                });
            not_signed_in(format!("the stored credentials cannot be used: {what}"))
        };
        match self {
            Self::File(path) => Ok(AccessTokenCredentials::from(Ready::new(Supply::File(path.clone())))),
            Self::Gcloud { acts_as } => {
                Ok(AccessTokenCredentials::from(Ready::new(Supply::Gcloud { acts_as: acts_as.clone() })))
            }
            Self::Json(json) => match json["type"].as_str() {
                Some("authorized_user") => {
                    user_account::Builder::new(json.clone()).build_access_token_credentials().map_err(invalid)
                }
                Some("service_account") => {
                    let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
                    service_account::Builder::new(json.clone())
                        .with_access_specifier(scopes)
                        .build_access_token_credentials()
                        .map_err(invalid)
                }
                Some("impersonated_service_account") => {
                    impersonated::Builder::new(json.clone()).build_access_token_credentials().map_err(invalid)
                }
                Some("external_account") => external_account::Builder::new(json.clone())
                    .with_scopes([SCOPE])
                    .build_access_token_credentials()
                    .map_err(invalid),
                other => Err(not_signed_in(format!(
                    "credentials of the type \"{}\" are not supported",
                    other.unwrap_or("(none)").escape_debug()
                ))),
            },
            Self::Impersonated { of, target, service: None } => {
                impersonated::Builder::from_source_credentials(Credentials::from(of.make()?))
                    .with_target_principal(&target.account)
                    .with_delegates(target.delegates.clone())
                    .with_scopes([SCOPE])
                    .build_access_token_credentials()
                    .map_err(invalid)
            }
            // The client takes another address only in the form of a file, which includes the source.
            Self::Impersonated { of, target, service: Some(service) } => match of.as_ref() {
                Self::Json(source) => impersonated::Builder::new(serde_json::json!({
                    "type": "impersonated_service_account",
                    "service_account_impersonation_url":
                        format!("{service}/v1/projects/-/serviceAccounts/{}:generateAccessToken", target.account),
                    "delegates": target.delegates,
                    "source_credentials": source,
                }))
                .with_scopes([SCOPE])
                .build_access_token_credentials()
                .map_err(invalid),
                _ => Err(not_signed_in(format!(
                    "to act as {} with the tokens of {service} takes a file of credentials",
                    target.account
                ))),
            },
        }
    }
}
