//! Asking a registry which images it has. Layers are pushed by the engine, not here.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde::Deserialize;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::engine::TOKEN_USER;
use crate::error::{ImageError, ImageErrorKind};
use crate::name::Repository;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// An access token.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Keeps a token.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self(Zeroizing::new(token))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// One repository in a registry.
pub struct Registry {
    client: Client,
    repository: Repository,
    auth: RegistryAuth,
    /// It has let us in, to pull and to push.
    signed_in: [OnceCell<()>; 2],
}

/// An image in a registry.
#[derive(Debug, Clone)]
pub struct RegistryImage {
    /// The digest of its manifest, `sha256:…`: what a job is pinned to.
    pub digest: String,
    /// The digest of its configuration: the same wherever and however often it has been pushed.
    pub config: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// `os/architecture`.
    pub platform: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its layers: digest and size in bytes, compressed.
    pub layers: Vec<(String, u64)>,
}

/// What is read of an image's configuration (OCI image specification, config.md).
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
    /// A repository, asked with a token or without. Nothing is sent yet.
    #[must_use]
    pub fn new(repository: &Repository, token: Option<&Token>) -> Self {
        let protocol = if repository.is_loopback() { ClientProtocol::Http } else { ClientProtocol::Https };
        let client = Client::new(ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT_WITHIN),
            read_timeout: Some(ANSWER_WITHIN),
            platform_resolver: Some(Box::new(oci_client::client::linux_amd64_resolver)),
            user_agent: "quill-admin",
            ..ClientConfig::default()
        });
        let auth = token.map_or(RegistryAuth::Anonymous, |token| {
            RegistryAuth::Basic(TOKEN_USER.to_owned(), token.expose().to_owned())
        });
        Self { client, repository: repository.clone(), auth, signed_in: Default::default() }
    }

    /// The image of a tag or a digest, or `None`.
    pub async fn image(&self, reference: &str) -> Result<Option<RegistryImage>, ImageError> {
        let name = self.name(reference);
        let doing = || format!("look for {name} in the registry");
        let reference = self.reference(reference);
        self.sign_in(&reference, oci_client::RegistryOperation::Pull, doing).await?;
        let found = self.client.pull_manifest_and_config(&reference, &self.auth).await;
        let (manifest, digest, configuration) = match found {
            Ok(found) => found,
            Err(error) => {
                let error = ImageError::registry(doing(), &error);
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

    /// The digest a tag stands for, or `None`: one small request.
    pub async fn digest(&self, tag: &str) -> Result<Option<String>, ImageError> {
        let doing = || format!("look for {} in the registry", self.name(tag));
        let reference = self.reference(tag);
        self.sign_in(&reference, oci_client::RegistryOperation::Pull, doing).await?;
        match self.client.fetch_manifest_digest(&reference, &self.auth).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) => {
                let error = ImageError::registry(doing(), &error);
                if error.kind == ImageErrorKind::NotFound { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Lets a tag stand for an image the registry has: its manifest is put under the tag, unchanged.
    pub async fn tag(&self, digest: &str, tag: &str) -> Result<(), ImageError> {
        let doing = || format!("move the tag {}", self.repository.tagged(tag));
        let failed = |error: oci_client::errors::OciDistributionError| ImageError::registry(doing(), &error);
        let from = self.reference(digest);
        let to = self.reference(tag);
        self.sign_in(&to, oci_client::RegistryOperation::Push, doing).await?;
        let types = [IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE];
        let (manifest, _) = self.client.pull_manifest_raw(&from, &self.auth, &types).await.map_err(failed)?;
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
        self.client.push_manifest_raw(&to, manifest, content_type).await.map_err(failed)?;
        Ok(())
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

    /// Exchanges the token where the registry wants that: said as such when it is refused. Once is
    /// enough: a token of the registry's own that has run out is renewed with the next request.
    async fn sign_in(
        &self,
        reference: &Reference,
        operation: oci_client::RegistryOperation,
        doing: impl Fn() -> String,
    ) -> Result<(), ImageError> {
        let done = match operation {
            oci_client::RegistryOperation::Pull => &self.signed_in[0],
            oci_client::RegistryOperation::Push => &self.signed_in[1],
        };
        let sign_in = async {
            let answer = self.client.auth(reference, &self.auth, operation).await;
            answer.map(drop).map_err(|error| ImageError::registry(doing(), &error))
        };
        done.get_or_try_init(|| sign_in).await.copied()
    }
}
