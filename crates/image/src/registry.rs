//! A repository in a registry: reads its images, and moves its tags.
//!
//! To read another property of images: `Configuration` and [`RegistryImage`]. To add a call: a method of
//! [`Registry`]; `push.rs` has the calls of a push.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use oci_client::client::{ClientConfig, ClientProtocol, linux_amd64_resolver};
use oci_client::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, ImageIndexEntry, OCI_IMAGE_MEDIA_TYPE, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::RegistryTokenType;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::error::{ImageError, ImageErrorKind};
use crate::name::Repository;
use crate::token::{self, TOKEN_USER, Token, Wanted};

/// Time limit for making a connection.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Time before its expiry in which a registry's token is not used any more: a request takes a while.
const MARGIN: Duration = Duration::from_secs(10);

/// One repository in a registry.
pub struct Registry {
    repository: Repository,
    /// The access token, where it may be sent to the registry.
    token: Option<Token>,
    /// Whether there is an access token that must not be sent to this registry.
    withheld: bool,
    /// The clients that the registry has accepted, for pulls and for pushes.
    signed_in: [Mutex<Option<SignedIn>>; 2],
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// A client that the registry has accepted.
#[derive(Clone)]
struct SignedIn {
    client: Client,
    /// The time until which it is accepted; `None` for no limit.
    until: Option<Instant>,
}

/// An image in a registry.
#[derive(Debug, Clone)]
pub struct RegistryImage {
    /// The digest of its manifest, `sha256:…`, which a job is pinned to.
    pub digest: String,
    /// The digest of its configuration, which is the same wherever and however often it has been pushed.
    pub config: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// `os/architecture`.
    pub platform: String,
    /// The time of its creation.
    pub created: Option<Timestamp>,
    /// The digests and the sizes, in bytes and compressed, of its layers.
    pub layers: Vec<(String, u64)>,
}

/// The fields of an image's configuration that are read (OCI image specification, config.md).
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    created: Option<Timestamp>,
    #[serde(default)]
    config: Option<ContainerConfiguration>,
}

#[derive(Deserialize)]
struct ContainerConfiguration {
    #[serde(rename = "Labels", default)]
    labels: Option<HashMap<String, String>>,
}

impl Registry {
    /// Makes the client of a repository, with or without a token; a token that must not be sent to this
    /// registry is not used. No request is sent yet.
    #[must_use]
    pub fn new(repository: &Repository, token: Option<&Token>) -> Self {
        let own = token.filter(|token| token.is_for(repository)).cloned();
        Self {
            repository: repository.clone(),
            withheld: token.is_some() && own.is_none(),
            token: own,
            signed_in: Default::default(),
        }
    }

    fn client(&self) -> Client {
        let loopback = self.repository.is_loopback();
        Client::new(ClientConfig {
            protocol: if loopback { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT_WITHIN),
            read_timeout: Some(ANSWER_WITHIN),
            platform_resolver: Some(Box::new(chosen)),
            user_agent: "quill-admin",
            ..ClientConfig::default()
        })
    }

    /// The image of a tag or a digest, or `None`. Of an index it is the image for [`crate::PLATFORM`], or else
    /// the first one: its own platform then tells that it is for another.
    ///
    /// # Errors
    ///
    /// Fails if the registry refuses the request or cannot be reached, or if its answer cannot be read, or is an
    /// index without any image. A missing image is no error.
    pub async fn image(&self, reference: &str) -> Result<Option<RegistryImage>, ImageError> {
        let name = self.name(reference);
        let doing = || format!("look for {name} in the registry");
        let reference = self.reference(reference);
        let client = self.sign_in(&reference, RegistryOperation::Pull, doing).await?;
        let found = client.pull_manifest_and_config(&reference, &RegistryAuth::Anonymous).await;
        let (manifest, digest, configuration) = match found {
            Ok(found) => found,
            Err(error) => {
                let error = self.failed(doing(), &error);
                return if error.kind == ImageErrorKind::NotFound { Ok(None) } else { Err(error) };
            }
        };
        let configuration: Configuration = serde_json::from_str(&configuration).map_err(|error| {
            ImageError::new(
                ImageErrorKind::Registry,
                doing(),
                format!("its configuration cannot be read: {error}"),
            )
        })?;
        let layers = manifest
            .layers
            .iter()
            .map(|layer| (layer.digest.clone(), u64::try_from(layer.size).unwrap_or(0)))
            .collect();
        Ok(Some(RegistryImage {
            digest,
            config: manifest.config.digest,
            labels: configuration.config.and_then(|config| config.labels).unwrap_or_default(),
            platform: format!("{}/{}", configuration.os, configuration.architecture),
            created: configuration.created,
            layers,
        }))
    }

    /// The digest of the image that a tag stands for, or `None`. This takes one small request.
    ///
    /// # Errors
    ///
    /// Fails if the registry refuses the request or cannot be reached. A missing tag is no error.
    pub async fn digest(&self, tag: &str) -> Result<Option<String>, ImageError> {
        let doing = || format!("look for {} in the registry", self.name(tag));
        let reference = self.reference(tag);
        let client = self.sign_in(&reference, RegistryOperation::Pull, doing).await?;
        match client.fetch_manifest_digest(&reference, &RegistryAuth::Anonymous).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) => {
                let error = self.failed(doing(), &error);
                if error.kind == ImageErrorKind::NotFound { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Moves a tag to an image that the registry has: its manifest is put under the tag, unchanged.
    ///
    /// # Errors
    ///
    /// Fails if the registry has no such image, refuses the change, or cannot be reached.
    pub async fn tag(&self, digest: &str, tag: &str) -> Result<(), ImageError> {
        let doing = || format!("move the tag {}", self.repository.tagged(tag));
        let failed = |error: oci_client::errors::OciDistributionError| self.failed(doing(), &error);
        let from = self.reference(digest);
        let to = self.reference(tag);
        let client = self.sign_in(&to, RegistryOperation::Push, doing).await?;
        let types = [IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE];
        let anonymous = RegistryAuth::Anonymous;
        let (manifest, _) = client.pull_manifest_raw(&from, &anonymous, &types).await.map_err(failed)?;
        let parsed: OciManifest = serde_json::from_slice(&manifest).map_err(|error| {
            ImageError::new(
                ImageErrorKind::Registry,
                doing(),
                format!("its manifest cannot be read: {error}"),
            )
        })?;
        let content_type = parsed.content_type().parse().map_err(|_| {
            ImageError::new(ImageErrorKind::Registry, doing(), "its manifest is of no known kind".to_owned())
        })?;
        client.push_manifest_raw(&to, manifest, content_type).await.map_err(failed)?;
        Ok(())
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The `Authorization` header for requests that are made by hand: none, the access token, or the
    /// registry's own token.
    pub(crate) async fn authorization(
        &self,
        operation: RegistryOperation,
        doing: impl Fn() -> String,
    ) -> Result<Option<HeaderValue>, ImageError> {
        let Some(token) = &self.token else { return Ok(None) };
        let http = token::client(CONNECT_WITHIN, ANSWER_WITHIN)
            .map_err(|error| self.failed(doing(), &error.into()))?;
        let text = match token::exchange(&http, &self.repository, token, operation, &doing).await? {
            Wanted::Nothing => return Ok(None),
            Wanted::AccessToken => {
                let pair = Zeroizing::new(format!("{TOKEN_USER}:{}", token.expose()));
                Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
            }
            Wanted::Own { token, .. } => Zeroizing::new(format!("Bearer {}", token.as_str())),
        };
        let mut value: HeaderValue = text.parse().map_err(|_| {
            let message = "its token has characters in it that no header may have";
            ImageError::new(ImageErrorKind::Registry, doing(), message)
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn name(&self, reference: &str) -> String {
        if reference.starts_with("sha256:") {
            self.repository.pinned(reference)
        } else {
            self.repository.tagged(reference)
        }
    }

    fn reference(&self, reference: &str) -> Reference {
        let (registry, path) = (self.repository.registry().to_owned(), self.repository.path().to_owned());
        if reference.starts_with("sha256:") {
            Reference::with_digest(registry, path, reference.to_owned())
        } else {
            Reference::with_tag(registry, path, reference.to_owned())
        }
    }

    /// A failure in the registry's words, with its likely reason.
    pub(crate) fn failed(
        &self,
        doing: String,
        error: &oci_client::errors::OciDistributionError,
    ) -> ImageError {
        let mut failed = ImageError::registry(doing, error);
        let refused = matches!(failed.kind, ImageErrorKind::NotSignedIn | ImageErrorKind::PermissionDenied);
        if self.withheld && refused {
            failed.kind = ImageErrorKind::UntrustedHost;
            failed.message = format!(
                "the registry lets nobody in without a token, and the access token was not sent: {} is neither one \
                 of Google's hosts nor one that was named as trusted",
                self.repository.registry()
            );
        }
        failed
    }

    /// A client that is signed in: exchanges the access token where the registry wants that, and reports a
    /// refusal of the exchange as such. The registry's token is used until it expires.
    async fn sign_in(
        &self,
        reference: &Reference,
        operation: RegistryOperation,
        doing: impl Fn() -> String,
    ) -> Result<Client, ImageError> {
        let mut known = match operation {
            RegistryOperation::Pull => self.signed_in[0].lock().await,
            RegistryOperation::Push => self.signed_in[1].lock().await,
        };
        if let Some(known) = known.as_ref().filter(|one| one.until.is_none_or(|until| Instant::now() < until))
        {
            return Ok(known.client.clone());
        }
        let client = self.client();
        // This comes before anything else: the client uses what is stored first.
        let store = async |auth: RegistryAuth| {
            client.store_auth_if_needed(reference.resolve_registry(), &auth).await;
        };
        let mut until = None;
        match &self.token {
            None => {
                let answer = client.auth(reference, &RegistryAuth::Anonymous, operation).await;
                answer.map_err(|error| self.failed(doing(), &error))?;
            }
            Some(token) => {
                let http = token::client(CONNECT_WITHIN, ANSWER_WITHIN)
                    .map_err(|error| self.failed(doing(), &error.into()))?;
                match token::exchange(&http, &self.repository, token, operation, &doing).await? {
                    Wanted::Nothing => store(RegistryAuth::Anonymous).await,
                    Wanted::AccessToken => {
                        store(RegistryAuth::Anonymous).await;
                        // The token is stored as a known one, and not as a way to get one: for that the
                        // client would ask the registry again where to send it.
                        for operation in [RegistryOperation::Pull, RegistryOperation::Push] {
                            let basic =
                                RegistryTokenType::Basic(TOKEN_USER.to_owned(), token.expose().to_owned());
                            client.tokens.insert(reference, operation, basic).await;
                        }
                    }
                    Wanted::Own { token, lifetime } => {
                        store(RegistryAuth::Bearer(token.to_string())).await;
                        until = Some(Instant::now() + lifetime.saturating_sub(MARGIN));
                    }
                }
            }
        }
        *known = Some(SignedIn { client: client.clone(), until });
        Ok(client)
    }
}

/// The image of an index that is read. An index of one other platform is what an engine makes on a machine of that
/// platform. Attestations are entries of an unknown platform ("Image attestation storage" of `BuildKit`).
fn chosen(entries: &[ImageIndexEntry]) -> Option<String> {
    let is_image = |entry: &&ImageIndexEntry| {
        entry.platform.as_ref().is_none_or(|platform| platform.os.to_string() != "unknown")
    };
    let first = || entries.iter().find(is_image).map(|entry| entry.digest.clone());
    linux_amd64_resolver(entries).or_else(first)
}
