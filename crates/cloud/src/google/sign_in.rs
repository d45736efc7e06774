//! The sign-in of the caller: finds existing credentials on this machine, and makes tokens from them.
//!
//! The most explicit source is used first. `gcloud auth login` does not make application default credentials,
//! but keeps an `authorized_user` file per account, which is read here: starting gcloud for a token takes
//! most of a second.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::{
    AccessToken, AccessTokenCredentials, AccessTokenCredentialsProvider, CacheableResource, Credentials,
    CredentialsProvider, EntityTag, external_account, impersonated, service_account, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use quill_admin_files::{read_bounded, read_piped_text, read_text, system};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::error::{CloudError, CloudErrorKind, sign_in_failure, sign_in_message, wants_reauthentication};
use crate::trust::{self, TrustedHosts};

const DOING: &str = "sign in to Google Cloud";
/// The scope that every call of this program needs ("OAuth 2.0 Scopes for Google APIs").
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Time for which a token of `gcloud auth print-access-token` is used: gcloud hands out tokens that are valid
/// for at least as long.
const GCLOUD_TOKEN: Duration = Duration::from_mins(4);
/// Largest size of a file with a token, with credentials or of gcloud's, in bytes. Such files have a few
/// thousand.
const LARGEST: u64 = 1 << 20;

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
    fn gcloud_acts_as(&self) -> Option<String> {
        let set = self.gcloud_impersonate.clone();
        set.or_else(|| self.gcloud_property("auth", "impersonate_service_account"))
            .as_deref()
            .and_then(not_empty)
    }
}

/// A text that is not empty: gcloud takes an empty one for none.
fn not_empty(text: &str) -> Option<String> {
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

/// A sign-in. Clones share the token.
#[derive(Clone)]
pub struct SignIn {
    source: SignInSource,
    account: Option<String>,
    acts_as: Option<String>,
    hosts: TrustedHosts,
    token: std::sync::Arc<Renewable>,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}

impl SignIn {
    /// Finds a sign-in, and begins to fetch the first token where that takes a request.
    ///
    /// # Errors
    ///
    /// Fails if no sign-in is found, or if the one that is found cannot be read or used.
    pub fn find(options: &SignInOptions) -> Result<Self, CloudError> {
        crate::install_tls_provider();
        let (source, account, recipe) = look(options)?;
        let mut hosts = options.hosts.clone();
        if let Recipe::Json(json) = &recipe {
            // The credentials are the person's own, and so their domain is trusted.
            hosts.universe = hosts.universe.or_else(|| json["universe_domain"].as_str().map(str::to_owned));
        }
        // A setting for this environment takes precedence over gcloud's general ones.
        let of_gcloud = match &source {
            // gcloud's configuration is for gcloud's own sign-in, and other clients do not apply it to
            // application default credentials. A variable is meant for this command, whatever it signs in
            // with: without it a task would run as another account than the person asked for.
            SignInSource::ApplicationCredentials(_) | SignInSource::ApplicationDefault(_) => {
                let asked = options.gcloud_impersonate.as_deref().and_then(not_empty);
                // A file that acts as that account by itself, or is its key, does not need another account in
                // between.
                asked.filter(|chain| account.as_deref() != Some(Target::of(chain).account.as_str()))
            }
            SignInSource::AccessTokenFile(_) | SignInSource::Gcloud | SignInSource::GcloudCommand => {
                options.gcloud_acts_as()
            }
        };
        let chain = options.impersonate.clone().or_else(|| of_gcloud.clone());
        let acts_as = chain.as_deref().map(|chain| Target::of(chain).account);
        let by_gcloud = Recipe::Gcloud { acts_as: options.impersonate.clone() };
        // gcloud keeps data that these files do not have, such as the proof of a new sign-in.
        let instead = (source == SignInSource::Gcloud).then_some(by_gcloud);
        let recipe = match (recipe, chain) {
            (recipe, None) => recipe,
            // gcloud acts as its configured service account by itself, and as another one if it is told to.
            (Recipe::Gcloud { .. }, Some(_)) if of_gcloud.is_some() && options.iam_credentials.is_none() => {
                Recipe::Gcloud { acts_as: options.impersonate.clone() }
            }
            (recipe, Some(chain)) => {
                if let Some(service) = &options.iam_credentials {
                    trust::check(&hosts, service)?;
                }
                Recipe::Impersonated {
                    of: Box::new(recipe),
                    target: Target::of(&chain),
                    service: options.iam_credentials.clone(),
                }
            }
        };
        let token = Renewable { current: RwLock::new(recipe.make()?), recipe, instead };
        Ok(Self { source, account, acts_as, hosts, token: std::sync::Arc::new(token) })
    }

    /// The hosts that the token may be sent to.
    #[must_use]
    pub fn hosts(&self) -> &TrustedHosts {
        &self.hosts
    }

    /// The source of the sign-in.
    #[must_use]
    pub fn source(&self) -> &SignInSource {
        &self.source
    }

    /// The account, where the source names one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The service account that the sign-in acts as, where the environment or gcloud names one.
    #[must_use]
    pub fn acts_as(&self) -> Option<&str> {
        self.acts_as.as_deref()
    }

    /// An access token that is valid now: the first one takes a request to Google.
    ///
    /// # Errors
    ///
    /// Fails if the sign-in is refused, or if the token service cannot be reached.
    pub async fn token(&self) -> Result<String, CloudError> {
        match self.token.access_token().await {
            Ok(token) => Ok(token.token),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Whether the token service has checked the sign-in when it gave out the token. A token that is only
    /// read from a file or from gcloud, or signed on this machine, may have been refused long ago: only a
    /// request shows that.
    #[must_use]
    pub fn is_looked_at(&self) -> bool {
        match &self.token.recipe {
            Recipe::Json(json) => json["type"] != "service_account",
            Recipe::Impersonated { .. } => true,
            Recipe::File(_) | Recipe::Gcloud { .. } => false,
        }
    }

    /// A token of the account itself, whatever service account it acts as.
    pub(super) async fn own_token(&self) -> Result<String, CloudError> {
        match &self.token.recipe {
            Recipe::Impersonated { of, .. } => access_token(&of.make()?).await,
            _ => self.token().await,
        }
    }

    /// Forgets the token: the next call gets a new one. This is for a token that was refused although it
    /// should be valid.
    ///
    /// # Errors
    ///
    /// Fails if the credentials cannot be made again from their source.
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

/// The way to make credentials, which can be repeated.
enum Recipe {
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
struct Target {
    account: String,
    /// Service accounts each of which acts on behalf of the one before it.
    delegates: Vec<String>,
}

impl Target {
    /// Reads the form that gcloud writes: the account last, after those through which it is reached, with
    /// commas.
    fn of(chain: &str) -> Self {
        let mut accounts: Vec<String> = chain.split(',').map(|one| one.trim().to_owned()).collect();
        let account = accounts.pop().unwrap_or_default();
        Self { account, delegates: accounts }
    }
}

/// gcloud's program. On Windows it is a script, `gcloud.cmd`, which is started only by its full name.
#[must_use]
pub fn gcloud_program() -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = if cfg!(windows) { system::program("gcloud", &path) } else { None };
    // Where there is none, starting it fails with the system's own words.
    found.unwrap_or_else(|| "gcloud".into())
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

/// Credentials that can be made anew under the clients that hold them.
struct Renewable {
    recipe: Recipe,
    /// The credentials to use instead, where Google demands that the person signs in again.
    instead: Option<Recipe>,
    current: RwLock<AccessTokenCredentials>,
}

impl Renewable {
    fn now(&self) -> AccessTokenCredentials {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn access_token(&self) -> Result<AccessToken, CredentialsError> {
        match self.now().access_token().await {
            Ok(token) => Ok(token),
            Err(error) => match self.instead_of(&error) {
                Some(other) => other.access_token().await.map_err(|second| both(&error, &second)),
                None => Err(error),
            },
        }
    }

    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        match self.now().headers(extensions).await {
            Ok(headers) => Ok(headers),
            Err(error) => match self.instead_of(&error) {
                // The client's cached headers belong to other credentials.
                Some(other) => other.headers(Extensions::new()).await.map_err(|second| both(&error, &second)),
                None => Err(error),
            },
        }
    }

    /// Switches to gcloud itself where Google demands that the person signs in again: its files have the
    /// credentials, but not the proof of the new sign-in, which gcloud keeps elsewhere.
    fn instead_of(&self, error: &CredentialsError) -> Option<AccessTokenCredentials> {
        let instead = self.instead.as_ref().filter(|_| wants_reauthentication(error))?.make().ok()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = instead.clone();
        Some(instead)
    }
}

/// The error that neither the stored credentials nor gcloud give a token.
fn both(first: &CredentialsError, second: &CredentialsError) -> CredentialsError {
    let (first, second) = (sign_in_message(first), sign_in_message(second));
    CredentialsError::from_msg(false, format!("{first}; {second}"))
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
        self.0.headers(extensions).await
    }

    async fn universe_domain(&self) -> Option<String> {
        self.0.now().universe_domain().await
    }
}

/// The source of a ready token.
enum Supply {
    File(PathBuf),
    Gcloud { acts_as: Option<String> },
}

/// A token that was made elsewhere.
struct Ready {
    supply: Supply,
    last: Mutex<Option<Last>>,
}

struct Last {
    token: String,
    tag: EntityTag,
    read: Instant,
    /// Time for which the token is used before another one is fetched.
    used_for: Duration,
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
        // Calls wait for each other: a pipe can be read only once.
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.read.elapsed() < last.used_for) {
            return Ok((last.token.clone(), last.tag.clone()));
        }
        let (text, used_for) = match &self.supply {
            Supply::File(path) => {
                // A new token may be written to a file, but not to a pipe that has been read.
                let used_for = if path.is_file() { Duration::ZERO } else { Duration::MAX };
                let file = path.clone();
                // This has a thread of its own, since a pipe may have to be waited for.
                let text = tokio::task::spawn_blocking(move || read_piped_text(&file, LARGEST))
                    .await
                    .map_err(|error| failed(error.to_string()))?
                    .map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?;
                (text, used_for)
            }
            Supply::Gcloud { acts_as } => {
                let output = tokio::process::Command::new(gcloud_program())
                    .args(["auth", "print-access-token", "--quiet"])
                    .args(acts_as.iter().map(|account| format!("--impersonate-service-account={account}")))
                    // There are no prompts: with `--quiet` gcloud fails instead, with a message.
                    .stdin(std::process::Stdio::null())
                    .output()
                    .await
                    .map_err(|error| failed(format!("gcloud could not be started: {error}")))?;
                if !output.status.success() {
                    let text = String::from_utf8_lossy(&output.stderr);
                    let why = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
                    return Err(failed(format!("gcloud auth print-access-token: {why}")));
                }
                (String::from_utf8_lossy(&output.stdout).into_owned(), GCLOUD_TOKEN)
            }
        };
        let token = text.trim().to_owned();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed(match &self.supply {
                Supply::File(path) => format!("{} does not hold an access token", path.display()),
                Supply::Gcloud { .. } => "gcloud auth print-access-token printed no access token".to_owned(),
            }));
        }
        let tag = match last.as_ref() {
            Some(last) if last.token == token => last.tag.clone(),
            _ => EntityTag::new(),
        };
        *last = Some(Last { token: token.clone(), tag: tag.clone(), read: Instant::now(), used_for });
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
    async fn a_file_that_acts_as_the_account_by_itself_is_used_as_it_is() {
        let acting = r#"{"type": "impersonated_service_account", "source_credentials": {"type":
            "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"},
            "service_account_impersonation_url":
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/robot@p:generateAccessToken"}"#;
        let folder = folder(&[("acting.json", acting)]);
        let with = |account: &str| SignInOptions {
            application_credentials: Some(folder.path().join("acting.json")),
            gcloud_impersonate: Some(account.to_owned()),
            ..SignInOptions::default()
        };
        let found = SignIn::find(&with("robot@p")).expect("found");
        assert_eq!((found.account(), found.acts_as()), (Some("robot@p"), None));
        assert_eq!(SignIn::find(&with("other@p")).expect("found").acts_as(), Some("other@p"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn files_are_read_up_to_a_limit_and_only_a_token_is_waited_for() {
        let folder = folder(&[("configurations/config_default", "[core]\naccount = me@example.org\n")]);
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("started").success());
        let credentials = |path: &Path| {
            let path = Some(path.to_owned());
            let options = SignInOptions { application_credentials: path, ..SignInOptions::default() };
            SignIn::find(&options).expect_err("refused").to_string()
        };
        let refused = credentials(Path::new("/dev/zero"));
        assert!(refused.contains("/dev/zero: it is a device; only a regular file is read"), "{refused}");
        let refused = credentials(&fifo);
        assert!(refused.contains("it is a named pipe (FIFO); only a regular file is read"), "{refused}");

        let token = |path: &Path| {
            let path = Some(path.to_owned());
            SignIn::find(&SignInOptions { access_token_file: path, ..SignInOptions::default() })
                .expect("found")
        };
        let refused = token(Path::new("/dev/zero")).token().await.expect_err("endless").to_string();
        assert!(refused.contains("/dev/zero: it is larger than 1 MiB, the most that is read"), "{refused}");
        let writer = tokio::task::spawn_blocking({
            let fifo = fifo.clone();
            move || std::fs::write(fifo, "abc\n")
        });
        let piped = token(&fifo);
        assert_eq!(piped.token().await.expect("a token"), "abc");
        writer.await.expect("ended").expect("written");
        assert_eq!(piped.token().await.expect("the same"), "abc");

        // This goes for gcloud's own files, too.
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("active_config")).expect("made");
        assert_eq!(gcloud(&folder).gcloud_account().as_deref(), Some("me@example.org"));
        let default = folder.path().join("configurations/config_default");
        std::fs::remove_file(&default).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &default).expect("made");
        assert_eq!(gcloud(&folder).gcloud_account(), None);
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
        let error = SignIn::find(&bad).expect_err("refused");
        assert_eq!(error.kind, CloudErrorKind::NotSignedIn);
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(SignIn::find(&gcloud(&folder)).is_err());
    }
}
