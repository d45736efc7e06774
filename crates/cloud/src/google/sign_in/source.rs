//! Finds the credentials of the caller on this machine.
//!
//! The most explicit source is used first. `gcloud auth login` does not make application default credentials,
//! but keeps an `authorized_user` file per account, which is read here: starting gcloud for a token takes
//! most of a second.
//!
//! To add a source: its option, its [`SignInSource`], and its place in `look`.

use std::fmt;
use std::path::{Path, PathBuf};

use quill_admin_files::{read_bounded, read_text};
use serde_json::Value;

use super::failure::not_signed_in;
use super::ready_token::LARGEST;
use super::recipe::Recipe;
use crate::error::CloudError;
use crate::trust::TrustedHosts;

/// The places to look for a sign-in. Paths need not exist, except for the first two.
#[derive(Debug, Clone, Default)]
pub struct SignInOptions {
    /// `--access-token-file` or `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE`: a file with a ready token.
    pub access_token_file: Option<PathBuf>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    pub application_credentials: Option<PathBuf>,
    /// gcloud's folder: `CLOUDSDK_CONFIG`, else `~/.config/gcloud`, on Windows `%APPDATA%\gcloud`.
    pub gcloud: Option<PathBuf>,
    /// `CLOUDSDK_ACTIVE_CONFIG_NAME`, where it is set.
    pub gcloud_configuration: Option<String>,
    /// `CLOUDSDK_CORE_ACCOUNT`, where it is set.
    pub gcloud_account: Option<String>,
    /// The service account to act as.
    pub impersonate: Option<String>,
    /// `CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT`, where it is set: the account that gcloud acts as. Empty
    /// for none, whatever gcloud's configuration says.
    pub gcloud_impersonate: Option<String>,
    /// The hosts that the token may be sent to.
    pub hosts: TrustedHosts,
    /// The address of the service that gives the service account's tokens, when it is not Google's own.
    pub iam_credentials: Option<String>,
}

impl SignInOptions {
    /// The source of sign-in that is named explicitly, and so used before any other.
    #[must_use]
    pub fn named(&self) -> Option<SignInSource> {
        let token = self.access_token_file.clone().map(SignInSource::AccessTokenFile);
        token.or_else(|| self.application_credentials.clone().map(SignInSource::ApplicationCredentials))
    }

    /// The account of gcloud's active configuration.
    #[must_use]
    pub fn gcloud_account(&self) -> Option<String> {
        gcloud_account(self.gcloud.as_deref()?, self)
    }

    /// A property of gcloud's active configuration, such as `custom_ca_certs_file` of the section `core`.
    #[must_use]
    pub fn gcloud_property(&self, section: &str, name: &str) -> Option<String> {
        gcloud_property(self.gcloud.as_deref()?, self, section, name)
    }

    /// The service accounts that gcloud acts as, the last one on behalf of those before it
    /// (`gcloud topic configurations`, `auth/impersonate_service_account`).
    pub(super) fn gcloud_acts_as(&self) -> Option<String> {
        let set = self.gcloud_impersonate.clone();
        set.or_else(|| self.gcloud_property("auth", "impersonate_service_account"))
            .as_deref()
            .and_then(not_empty)
    }
}

/// A text that is not empty: gcloud takes an empty one for none.
pub(super) fn not_empty(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The source of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInSource {
    /// A file with a ready token.
    AccessTokenFile(PathBuf),
    /// The file of `GOOGLE_APPLICATION_CREDENTIALS`.
    ApplicationCredentials(PathBuf),
    /// The account signed in with `gcloud auth login`.
    Gcloud,
    /// The account signed in with gcloud, through the program: its files have no credentials that can be
    /// read.
    GcloudCommand,
    /// `gcloud auth application-default login`.
    ApplicationDefault(PathBuf),
}

impl fmt::Display for SignInSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessTokenFile(path) => write!(f, "the access token in {}", path.display()),
            Self::ApplicationCredentials(path) => {
                write!(f, "GOOGLE_APPLICATION_CREDENTIALS ({})", path.display())
            }
            Self::Gcloud => f.write_str("gcloud auth login"),
            Self::GcloudCommand => f.write_str("gcloud auth print-access-token"),
            Self::ApplicationDefault(_) => f.write_str("gcloud auth application-default login"),
        }
    }
}

pub(super) fn look(options: &SignInOptions) -> Result<(SignInSource, Option<String>, Recipe), CloudError> {
    if let Some(path) = &options.access_token_file {
        return Ok((SignInSource::AccessTokenFile(path.clone()), None, Recipe::File(path.clone())));
    }
    if let Some(path) = &options.application_credentials {
        let json = read_json(path)?;
        let account = account_in(&json);
        return Ok((SignInSource::ApplicationCredentials(path.clone()), account, Recipe::Json(json)));
    }
    if let Some(folder) = &options.gcloud {
        if let Some(account) = gcloud_account(folder, options) {
            let stored = folder.join("legacy_credentials").join(&account).join("adc.json");
            return Ok(if stored.is_file() {
                (SignInSource::Gcloud, Some(account), Recipe::Json(read_json(&stored)?))
            } else {
                (SignInSource::GcloudCommand, Some(account), Recipe::Gcloud { acts_as: None })
            });
        }
        let default = folder.join("application_default_credentials.json");
        if default.is_file() {
            let json = read_json(&default)?;
            let account = account_in(&json);
            return Ok((SignInSource::ApplicationDefault(default), account, Recipe::Json(json)));
        }
    }
    Err(not_signed_in("nobody is signed in on this machine"))
}

fn read_json(path: &Path) -> Result<Value, CloudError> {
    let text = read_bounded(path, LARGEST)
        .map_err(|error| not_signed_in(format!("cannot read {}: {error}", path.display())))?;
    // The text of the error would quote the file, which is secret.
    serde_json::from_slice(&text)
        .map_err(|_| not_signed_in(format!("{} is not a JSON file of credentials", path.display())))
}

fn account_in(json: &Value) -> Option<String> {
    ["client_email", "account"]
        .iter()
        .find_map(|field| json[*field].as_str())
        // In a file for acting as a service account, the account stands in the address that gives its tokens.
        .or_else(|| {
            let (_, rest) = json["service_account_impersonation_url"].as_str()?.rsplit_once('/')?;
            rest.strip_suffix(":generateAccessToken")
        })
        .filter(|account| !account.is_empty())
        .map(str::to_owned)
}

/// The account of gcloud's active configuration.
fn gcloud_account(folder: &Path, options: &SignInOptions) -> Option<String> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    if let Some(account) = given(&options.gcloud_account) {
        return Some(account);
    }
    gcloud_property(folder, options, "core", "account")
}

/// A property of gcloud's active configuration (`gcloud topic configurations`).
fn gcloud_property(folder: &Path, options: &SignInOptions, wanted: &str, name: &str) -> Option<String> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let active = given(&options.gcloud_configuration)
        .or_else(|| read_text(&folder.join("active_config"), LARGEST).ok())
        .map_or_else(|| "default".to_owned(), |name| name.trim().to_owned());
    let file = folder.join("configurations").join(format!("config_{active}"));
    let text = read_text(&file, LARGEST).ok()?;
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim();
        } else if section == wanted
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == name
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}
