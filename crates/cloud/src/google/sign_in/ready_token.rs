//! Tokens that were made elsewhere: in a file, or by gcloud. Each is kept for as long as it may be used.
//!
//! To add a place that gives ready tokens: its variant of [`Supply`], and how `Ready::token` gets one from it.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::{
    AccessToken, AccessTokenCredentialsProvider, CacheableResource, CredentialsProvider, EntityTag,
};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use quill_admin_files::{read_piped_text, system};
use tokio::sync::Mutex;

/// Time for which a token of `gcloud auth print-access-token` is used: gcloud hands out tokens that are valid
/// for at least as long.
const GCLOUD_TOKEN: Duration = Duration::from_mins(4);
/// Largest size of a file with a token, with credentials or of gcloud's, in bytes. Such files have a few
/// thousand.
pub(super) const LARGEST: u64 = 1 << 20;

/// gcloud's program. On Windows it is a script, `gcloud.cmd`, which is started only by its full name.
#[must_use]
pub fn gcloud_program() -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = if cfg!(windows) { system::program("gcloud", &path) } else { None };
    // Where there is none, starting it fails with the system's own words.
    found.unwrap_or_else(|| "gcloud".into())
}

/// The source of a ready token.
pub(super) enum Supply {
    File(PathBuf),
    Gcloud { acts_as: Option<String> },
}

/// A token that was made elsewhere.
pub(super) struct Ready {
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
    pub(super) fn new(supply: Supply) -> Self {
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
