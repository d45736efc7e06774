//! Who calls: finds the sign-in that is there already, and makes tokens from it.
//!
//! The order is that of most explicit first. `gcloud auth login` does not make application default
//! credentials, but keeps an `authorized_user` file per account, which is read here: starting gcloud
//! for a token costs most of a second.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::{
    AccessToken, AccessTokenCredentials, AccessTokenCredentialsProvider, CacheableResource, Credentials,
    CredentialsProvider, EntityTag, external_account, impersonated, service_account, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use serde_json::Value;

use crate::error::{CloudError, CloudErrorKind, sign_in_failure};

const DOING: &str = "sign in to Google Cloud";
/// What every call of ours needs ("OAuth 2.0 Scopes for Google APIs").
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a token of `gcloud auth print-access-token` is used: gcloud hands out tokens that are
/// good for at least as long.
const GCLOUD_TOKEN: Duration = Duration::from_mins(4);

/// Where to look for a sign-in. Paths need not exist, but for the first two.
#[derive(Debug, Clone, Default)]
pub struct SignInOptions {
    /// `--access-token-file` or `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE`: a file with a ready token.
    pub access_token_file: Option<PathBuf>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`.
    pub application_credentials: Option<PathBuf>,
    /// gcloud's folder: `CLOUDSDK_CONFIG`, else `~/.config/gcloud`.
    pub gcloud: Option<PathBuf>,
    /// `CLOUDSDK_ACTIVE_CONFIG_NAME`, where it is set.
    pub gcloud_configuration: Option<String>,
    /// `CLOUDSDK_CORE_ACCOUNT`, where it is set.
    pub gcloud_account: Option<String>,
    /// The service account to act as.
    pub impersonate: Option<String>,
    /// Where the service is that gives its tokens, when it is not Google's own.
    pub iam_credentials: Option<String>,
}

impl SignInOptions {
    /// The sign-in that is named, and so used before any other.
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
}

/// Where the sign-in was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInSource {
    /// A file with a ready token.
    AccessTokenFile(PathBuf),
    /// The file of `GOOGLE_APPLICATION_CREDENTIALS`.
    ApplicationCredentials(PathBuf),
    /// The account signed in with `gcloud auth login`.
    Gcloud,
    /// The same, through the program: its files have no credentials that can be read.
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

/// A sign-in. Clones share the token.
#[derive(Clone)]
pub struct SignIn {
    source: SignInSource,
    account: Option<String>,
    acts_as: Option<String>,
    token: std::sync::Arc<Renewable>,
}

impl SignIn {
    /// Finds a sign-in, and begins to fetch the first token where that takes a request.
    pub fn find(options: &SignInOptions) -> Result<Self, CloudError> {
        crate::install_tls_provider();
        let (source, account, recipe) = look(options)?;
        let recipe = match &options.impersonate {
            Some(target) => Recipe::Impersonated {
                of: Box::new(recipe),
                target: target.clone(),
                service: options.iam_credentials.clone(),
            },
            None => recipe,
        };
        let token = Renewable { current: RwLock::new(recipe.make()?), recipe };
        let acts_as = options.impersonate.clone();
        Ok(Self { source, account, acts_as, token: std::sync::Arc::new(token) })
    }

    /// Where it was found.
    #[must_use]
    pub fn source(&self) -> &SignInSource {
        &self.source
    }

    /// The account, where the source names one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The service account it acts as, where the environment says so.
    #[must_use]
    pub fn acts_as(&self) -> Option<&str> {
        self.acts_as.as_deref()
    }

    /// An access token that is good now: the first one takes a request to Google.
    pub async fn token(&self) -> Result<String, CloudError> {
        access_token(&self.token.now()).await
    }

    /// The same of the account itself, whatever it acts as.
    pub(super) async fn own_token(&self) -> Result<String, CloudError> {
        match &self.token.recipe {
            Recipe::Impersonated { of, .. } => access_token(&of.make()?).await,
            _ => self.token().await,
        }
    }

    /// Forgets the token: the next call gets a new one. For a token that was refused although it
    /// should be good.
    pub fn renew(&self) -> Result<(), CloudError> {
        let fresh = self.token.recipe.make()?;
        *self.token.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::from(Shared(std::sync::Arc::clone(&self.token)))
    }
}

async fn access_token(credentials: &AccessTokenCredentials) -> Result<String, CloudError> {
    match credentials.access_token().await {
        Ok(token) => Ok(token.token),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &CredentialsError) -> CloudError {
    let (kind, message) = sign_in_failure(error);
    CloudError { kind, doing: DOING, message }
}

fn not_signed_in(message: impl Into<String>) -> CloudError {
    CloudError { kind: CloudErrorKind::NotSignedIn, doing: DOING, message: message.into() }
}

/// How to make credentials, again if need be.
enum Recipe {
    File(PathBuf),
    Json(Value),
    Gcloud,
    Impersonated { of: Box<Recipe>, target: String, service: Option<String> },
}

fn look(options: &SignInOptions) -> Result<(SignInSource, Option<String>, Recipe), CloudError> {
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
                (SignInSource::GcloudCommand, Some(account), Recipe::Gcloud)
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
    let text = std::fs::read(path)
        .map_err(|error| not_signed_in(format!("cannot read {}: {error}", path.display())))?;
    // The text of the error would quote the file, which is secret.
    serde_json::from_slice(&text)
        .map_err(|_| not_signed_in(format!("{} is not a JSON file of credentials", path.display())))
}

fn account_in(json: &Value) -> Option<String> {
    ["client_email", "account"]
        .iter()
        .find_map(|field| json[*field].as_str())
        // Of a file for acting as a service account: the address that gives its tokens.
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
    let active = given(&options.gcloud_configuration)
        .or_else(|| std::fs::read_to_string(folder.join("active_config")).ok())
        .map_or_else(|| "default".to_owned(), |name| name.trim().to_owned());
    let file = folder.join("configurations").join(format!("config_{active}"));
    let text = std::fs::read_to_string(file).ok()?;
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim();
        } else if section == "core"
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "account"
        {
            return Some(value.trim().to_owned()).filter(|account| !account.is_empty());
        }
    }
    None
}

impl Recipe {
    fn make(&self) -> Result<AccessTokenCredentials, CloudError> {
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
            Self::Gcloud => Ok(AccessTokenCredentials::from(Ready::new(Supply::Gcloud))),
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
                    .with_target_principal(target)
                    .with_scopes([SCOPE])
                    .build_access_token_credentials()
                    .map_err(invalid)
            }
            // The client takes another address in the form of a file only, which has the source in it.
            Self::Impersonated { of, target, service: Some(service) } => match of.as_ref() {
                Self::Json(source) => impersonated::Builder::new(serde_json::json!({
                    "type": "impersonated_service_account",
                    "service_account_impersonation_url":
                        format!("{service}/v1/projects/-/serviceAccounts/{target}:generateAccessToken"),
                    "source_credentials": source,
                }))
                .with_scopes([SCOPE])
                .build_access_token_credentials()
                .map_err(invalid),
                _ => Err(not_signed_in(format!(
                    "to act as {target} with the tokens of {service} takes a file of credentials"
                ))),
            },
        }
    }
}

/// Credentials that can be made anew under the clients that hold them.
struct Renewable {
    recipe: Recipe,
    current: RwLock<AccessTokenCredentials>,
}

impl Renewable {
    fn now(&self) -> AccessTokenCredentials {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Shared(std::sync::Arc<Renewable>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl CredentialsProvider for Shared {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        self.0.now().headers(extensions).await
    }

    async fn universe_domain(&self) -> Option<String> {
        self.0.now().universe_domain().await
    }
}

/// Where a ready token comes from.
enum Supply {
    File(PathBuf),
    Gcloud,
}

/// A token that somebody else made.
struct Ready {
    supply: Supply,
    last: Mutex<Option<Last>>,
}

struct Last {
    token: String,
    tag: EntityTag,
    read: Instant,
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready(…)")
    }
}

impl Ready {
    fn new(supply: Supply) -> Self {
        Self { supply, last: Mutex::new(None) }
    }

    async fn token(&self) -> Result<(String, EntityTag), CredentialsError> {
        let failed = |message: String| CredentialsError::from_msg(false, message);
        if let Supply::Gcloud = self.supply {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = last.as_ref().filter(|last| last.read.elapsed() < GCLOUD_TOKEN) {
                return Ok((last.token.clone(), last.tag.clone()));
            }
        }
        let text = match &self.supply {
            Supply::File(path) => tokio::fs::read_to_string(path)
                .await
                .map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?,
            Supply::Gcloud => {
                let output = tokio::process::Command::new("gcloud")
                    .args(["auth", "print-access-token", "--quiet"])
                    .output()
                    .await
                    .map_err(|error| failed(format!("gcloud could not be started: {error}")))?;
                if !output.status.success() {
                    let text = String::from_utf8_lossy(&output.stderr);
                    let why = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
                    return Err(failed(format!("gcloud auth print-access-token: {why}")));
                }
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
        };
        let token = text.trim().to_owned();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed(match &self.supply {
                Supply::File(path) => format!("{} does not hold an access token", path.display()),
                Supply::Gcloud => "gcloud auth print-access-token printed no access token".to_owned(),
            }));
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let tag = match last.as_ref() {
            Some(last) if last.token == token => last.tag.clone(),
            _ => EntityTag::new(),
        };
        *last = Some(Last { token: token.clone(), tag: tag.clone(), read: Instant::now() });
        Ok((token, tag))
    }
}

impl CredentialsProvider for Ready {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let (token, entity_tag) = self.token().await?;
        if extensions.get::<EntityTag>() == Some(&entity_tag) {
            return Ok(CacheableResource::NotModified);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| CredentialsError::from_msg(false, "what should be an access token is none"))?;
        value.set_sensitive(true);
        let data = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        Ok(CacheableResource::New { entity_tag, data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

impl AccessTokenCredentialsProvider for Ready {
    async fn access_token(&self) -> Result<AccessToken, CredentialsError> {
        let (token, _) = self.token().await?;
        Ok(AccessToken { token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        folder
    }

    const USER: &str =
        r#"{"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}"#;

    fn gcloud(folder: &tempfile::TempDir) -> SignInOptions {
        SignInOptions { gcloud: Some(folder.path().to_owned()), ..SignInOptions::default() }
    }

    #[tokio::test]
    async fn the_account_of_gclouds_active_configuration_is_found() {
        let folder = folder(&[
            ("active_config", "work\n"),
            ("configurations/config_default", "[core]\naccount = other@example.org\n"),
            ("configurations/config_work", "[compute]\naccount = no\n\n[core]\naccount = me@example.org\n"),
            ("legacy_credentials/me@example.org/adc.json", USER),
            ("application_default_credentials.json", USER),
        ]);
        let found = SignIn::find(&gcloud(&folder)).expect("found");
        assert_eq!((found.source(), found.account()), (&SignInSource::Gcloud, Some("me@example.org")));
        let other = SignInOptions { gcloud_account: Some("other@example.org".to_owned()), ..gcloud(&folder) };
        assert_eq!(*SignIn::find(&other).expect("found").source(), SignInSource::GcloudCommand);
    }

    #[tokio::test]
    async fn what_is_explicit_goes_first() {
        let folder = folder(&[("token", " abc-._\n"), ("key.json", USER), ("bad.json", "secret")]);
        let at = |name: &str| Some(folder.path().join(name));
        let both = SignInOptions {
            access_token_file: at("token"),
            application_credentials: at("key.json"),
            ..SignInOptions::default()
        };
        let found = SignIn::find(&both).expect("found");
        assert_eq!(found.token().await.expect("a token"), "abc-._");
        let robot = SignInOptions { impersonate: Some("robot@p".to_owned()), ..both };
        assert_eq!(SignIn::find(&robot).expect("found").acts_as(), Some("robot@p"));
        let bad = SignInOptions { application_credentials: at("bad.json"), ..SignInOptions::default() };
        let error = SignIn::find(&bad).err().expect("refused");
        assert_eq!(error.kind, CloudErrorKind::NotSignedIn);
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(SignIn::find(&gcloud(&folder)).is_err());
    }
}
