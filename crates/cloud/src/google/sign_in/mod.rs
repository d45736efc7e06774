//! The sign-in of the caller: finds existing credentials on this machine, and makes tokens from them.
//!
//! `source` says where credentials are looked for, `recipe` how they are made, `renewable` how they are made
//! anew while clients use them, and `ready_token` how a token is used that was made elsewhere.

mod failure;
mod ready_token;
mod recipe;
mod renewable;
mod source;

use std::sync::Arc;

use failure::refused;
use google_cloud_auth::credentials::{AccessToken, Credentials};
use google_cloud_auth::errors::CredentialsError;
pub use ready_token::gcloud_program;
use recipe::{Recipe, Target};
use renewable::{Renewable, Shared};
pub use source::{SignInOptions, SignInSource};
use source::{look, not_empty};

use crate::error::CloudError;
use crate::trust::{self, TrustedHosts};

/// A sign-in. Clones share the token.
#[derive(Clone)]
pub struct SignIn {
    source: SignInSource,
    account: Option<String>,
    acts_as: Option<String>,
    hosts: TrustedHosts,
    token: Arc<Renewable>,
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
        let token = Renewable::new(recipe, instead)?;
        Ok(Self { source, account, acts_as, hosts, token: Arc::new(token) })
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
        read(self.token.access_token().await)
    }

    /// Whether the token service has checked the sign-in when it gave out the token. A token that is only
    /// read from a file or from gcloud, or signed on this machine, may have been refused long ago: only a
    /// request shows that.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        match &self.token.recipe {
            Recipe::Json(json) => json["type"] != "service_account",
            Recipe::Impersonated { .. } => true,
            Recipe::File(_) | Recipe::Gcloud { .. } => false,
        }
    }

    /// A token of the account itself, whatever service account it acts as.
    pub(super) async fn own_token(&self) -> Result<String, CloudError> {
        match &self.token.recipe {
            Recipe::Impersonated { of, .. } => read(of.make()?.access_token().await),
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
        self.token.renew()
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::from(Shared(Arc::clone(&self.token)))
    }
}

/// The token in an answer of the credentials.
fn read(answer: Result<AccessToken, CredentialsError>) -> Result<String, CloudError> {
    answer.map(|token| token.token).map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::CloudErrorKind;

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
