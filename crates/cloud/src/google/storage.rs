//! Cloud Storage: reads and removes the one object by which Terraform locks its state.
//!
//! The calls are made over its JSON API, without Google's client: that one reads an object's metadata and
//! deletes it over gRPC, and is larger than the code that it would save.
//!
//! To add a call: a method of [`Google`] that uses `attempt`, and its permission in `permissions.rs`.

use std::time::Duration;

use google_cloud_gax::error::{CredentialsError, Error};
use jiff::Timestamp;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::wire::{Answer, Call, date};
use super::{Google, Reply};
use crate::error::{CloudError, CloudErrorKind};
use crate::model::{Removal, StateLock};
use crate::names::ObjectName;

/// The address of the JSON API ("Cloud Storage JSON API overview").
const STORAGE: &str = "https://storage.googleapis.com";
/// Largest lock that is read, in bytes. Terraform writes some hundred.
const LARGEST: u64 = 64 * 1024;
/// Largest number of attempts to read a lock that is replaced while it is read.
const LOOKS: usize = 3;

/// The fields of an object's metadata that are needed here. 64-bit integers are texts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    generation: String,
    size: String,
    time_created: Timestamp,
}

struct Object {
    generation: i64,
    size: u64,
    created: Timestamp,
    seen: Option<Timestamp>,
    seen_here: Timestamp,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Permissions {
    permissions: Vec<String>,
}

impl Google {
    /// The lock on Terraform's state, if there is one. This takes two requests; one if there is no lock.
    ///
    /// # Errors
    ///
    /// Fails if the bucket or the object cannot be read.
    pub fn state_lock<'a>(
        &'a self,
        name: &'a ObjectName,
    ) -> Reply<'a, Result<Option<StateLock>, CloudError>> {
        Box::pin(async move {
            const DOING: &str = "read the Terraform state lock";
            for _ in 0..LOOKS {
                let Some(object) = self.object(name, DOING).await? else { return Ok(None) };
                let Object { generation, size, created, seen, seen_here } = object;
                let lock = StateLock { generation, created, seen, seen_here, info: None };
                if size > LARGEST {
                    return Ok(Some(lock));
                }
                let mut url = self.object_url(name, DOING)?;
                url.query_pairs_mut()
                    .append_pair("alt", "media")
                    .append_pair("generation", &generation.to_string());
                match self.read(url, DOING).await {
                    Ok(text) => {
                        let info = serde_json::from_slice(&text.body).ok();
                        return Ok(Some(StateLock { info, ..lock }));
                    }
                    // The lock was removed in between, and another may have been taken.
                    Err(error) if error.kind == CloudErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Err(CloudError::other(DOING, "it was taken and given back all the time"))
        })
    }

    /// Whether there is an object: Terraform's state, beside its lock.
    ///
    /// # Errors
    ///
    /// Fails if the bucket or the object cannot be read.
    pub fn has_object(&self, name: ObjectName) -> Reply<'_, Result<bool, CloudError>> {
        const DOING: &str = "look for the Terraform state";
        Box::pin(async move { Ok(self.object(&name, DOING).await?.is_some()) })
    }

    /// Removes the lock of this generation and no other. The request is sent once; if its answer is lost,
    /// reading the lock tells the outcome.
    ///
    /// # Errors
    ///
    /// Fails if the removal is refused, or if its outcome cannot be found out.
    pub fn remove_state_lock<'a>(
        &'a self,
        name: &'a ObjectName,
        generation: i64,
    ) -> Reply<'a, Result<Removal, CloudError>> {
        Box::pin(async move {
            const DOING: &str = "remove the Terraform state lock";
            let mut url = self.object_url(name, DOING)?;
            url.query_pairs_mut().append_pair("ifGenerationMatch", &generation.to_string());
            let sent = self
                .policy
                .once_by_hand(|within| Box::pin(self.attempt(Method::DELETE, url.clone(), within)));
            let error = match sent.await {
                Ok(_) => return Ok(Removal::Removed),
                Err(error) => CloudError::new(DOING, &error),
            };
            let lost = match error.kind {
                CloudErrorKind::NotFound if is_no_object(&error) => return Ok(Removal::Gone),
                // There is another generation. Whether this error also means that there is no object is not
                // documented.
                CloudErrorKind::Conflict => false,
                CloudErrorKind::Failed => true,
                _ => return Err(error),
            };
            match self.object(name, DOING).await? {
                Some(object) if object.generation == generation => Err(error),
                Some(_) => Ok(Removal::Replaced),
                None if lost => Ok(Removal::Removed),
                None => Ok(Removal::Gone),
            }
        })
    }

    /// The permissions, of those given, that the caller has on the bucket. A bucket that does not exist, or that the
    /// caller may not see, is an error.
    pub(super) async fn granted_on_bucket(
        &self,
        name: &ObjectName,
        permissions: &[&str],
        doing: &'static str,
    ) -> Result<Vec<String>, CloudError> {
        let mut url = self.storage_url(&["b", name.bucket(), "iam", "testPermissions"], doing)?;
        url.query_pairs_mut().extend_pairs(permissions.iter().map(|name| ("permissions", name)));
        let text = self.read(url, doing).await?;
        serde_json::from_slice::<Permissions>(&text.body)
            .map(|answer| answer.permissions)
            .map_err(|error| CloudError::other(doing, error.to_string()))
    }

    async fn object(&self, name: &ObjectName, doing: &'static str) -> Result<Option<Object>, CloudError> {
        let text = match self.read(self.object_url(name, doing)?, doing).await {
            Ok(text) => text,
            Err(error) if is_no_object(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let object = serde_json::from_slice(&text.body).ok().and_then(|metadata: Metadata| {
            Some(Object {
                generation: metadata.generation.parse().ok()?,
                size: metadata.size.parse().ok()?,
                created: metadata.time_created,
                seen: date(&text.headers),
                seen_here: text.received,
            })
        });
        object.map(Some).ok_or_else(|| CloudError::other(doing, "the answer does not describe an object"))
    }

    async fn read(&self, url: Url, doing: &'static str) -> Result<Answer, CloudError> {
        self.policy
            .read_by_hand(|within| Box::pin(self.attempt(Method::GET, url.clone(), within)))
            .await
            .map_err(|error| CloudError::new(doing, &error))
    }

    /// Sends one request with the caller's credentials; its errors have the form of those of Google's
    /// clients.
    async fn attempt(&self, method: Method, url: Url, within: Duration) -> Result<Answer, Error> {
        let credentials = self
            .credentials
            .at(Some(url.as_str()))
            .map_err(|error| Error::authentication(CredentialsError::from_msg(false, error.message)))?;
        let idempotent = method == Method::GET;
        let call = Call { method, url: &url, host: None, body: None, idempotent, within: Some(within) };
        self.wire.attempt(&credentials, &call).await
    }

    fn object_url(&self, name: &ObjectName, doing: &'static str) -> Result<Url, CloudError> {
        self.storage_url(&["b", name.bucket(), "o", name.object()], doing)
    }

    /// An address of the JSON API. A slash in an object's name is escaped like other characters.
    fn storage_url(&self, parts: &[&str], doing: &'static str) -> Result<Url, CloudError> {
        let base = self.endpoints.storage.as_deref().unwrap_or(STORAGE);
        let invalid = |message: String| CloudError::of(CloudErrorKind::Invalid, doing, message);
        let mut url = Url::parse(base).map_err(|error| invalid(format!("{base}: {error}")))?;
        url.path_segments_mut()
            .map_err(|()| invalid(format!("{base} is not an address")))?
            .pop_if_empty()
            .extend(["storage", "v1"].iter().chain(parts));
        Ok(url)
    }
}

/// Whether the bucket exists and has no object of that name. A missing bucket has the same status and reason,
/// and must not be taken for a state that nobody has locked: only the words differ.
fn is_no_object(error: &CloudError) -> bool {
    error.kind == CloudErrorKind::NotFound && error.message.starts_with("No such object")
}
