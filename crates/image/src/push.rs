//! Sends an image to a registry, by the OCI distribution specification 1.1 ("Push").
//!
//! Blobs that the registry has are not sent again; the manifest goes last, so that a push which breaks off
//! leaves no tag on an incomplete image. The requests are made here and not by oci-client: a registry names
//! the address of an upload, and that may be on another host, which the token must not be sent to.
//!
//! To change what is tried again, and after which pauses: `again`, `Failed` and `PAUSES`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::io::ReaderStream;

use crate::assemble::{Blob, Image, MANIFEST};
use crate::engine::BuildEvent;
use crate::error::{ImageError, ImageErrorKind};
use crate::registry::{CONNECT_WITHIN, Registry};
use crate::token;

/// Longest time without progress of an upload, including the wait for its answer.
const STALLED: Duration = Duration::from_mins(1);
/// The pauses before a temporary failure is tried again: a connection that broke, a server that is busy.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Size of the pieces that are sent, in bytes.
const PIECE: usize = 64 * 1024;
/// Largest part of a registry's answer that is shown, in bytes.
const LONGEST: usize = 4 * 1024;

/// An image that is being sent.
struct Push<'a> {
    registry: &'a Registry,
    client: Client,
    authorization: Option<HeaderValue>,
    base: Url,
    doing: String,
    emit: &'a (dyn Fn(BuildEvent) + Send + Sync),
    /// The reasons for further attempts that have been reported.
    told: Vec<String>,
    sent: Arc<AtomicU64>,
    total: u64,
}

/// The reason why a request failed.
struct Failed {
    error: ImageError,
    /// Whether the same request may succeed a moment later.
    passing: bool,
}

impl Registry {
    /// Sends an image under a tag; returns the number of bytes of layers that were sent. Layers that the
    /// registry has are not sent again, so that a push that broke off continues where it was.
    ///
    /// # Errors
    ///
    /// Fails if the registry refuses the image, or cannot be reached after several attempts.
    pub async fn push(
        &self,
        image: &Image,
        tag: &str,
        emit: &(dyn Fn(BuildEvent) + Send + Sync),
    ) -> Result<u64, ImageError> {
        let doing = format!("push {}", self.repository().tagged(tag));
        let broken = |error: reqwest::Error| ImageError::registry(doing.as_str(), &error.into());
        let client = token::uploader(CONNECT_WITHIN).map_err(broken)?;
        let authorization = self.authorization(RegistryOperation::Push, || doing.clone()).await?;
        let base = token::address(self.repository()).map_err(|error| {
            ImageError::new(
                ImageErrorKind::Registry,
                doing.as_str(),
                format!("{}: {error}", self.repository()),
            )
        })?;
        let base = base.join(&format!("{}/", self.repository().path())).unwrap_or(base);
        let total = image.layers().iter().map(|layer| layer.blob().bytes().len() as u64).sum();
        let sent = Arc::new(AtomicU64::new(0));
        let mut push =
            Push { registry: self, client, authorization, base, doing, emit, told: Vec::new(), sent, total };
        let mut uploaded = 0;
        for blob in image.blobs() {
            if push.again(async |push: &Push<'_>| push.has(blob).await).await? {
                push.sent.fetch_add(blob.bytes().len() as u64, Ordering::Relaxed);
                continue;
            }
            push.again(async |push: &Push<'_>| push.upload(blob).await).await?;
            if blob.digest() != image.configuration().digest() {
                uploaded += blob.bytes().len() as u64;
            }
        }
        push.again(async |push: &Push<'_>| push.manifest(image, tag).await).await?;
        Ok(uploaded)
    }
}

impl Push<'_> {
    /// Runs work, and repeats it after temporary failures; reports each reason once.
    async fn again<T>(&mut self, work: impl AsyncFn(&Self) -> Result<T, Failed>) -> Result<T, ImageError> {
        for pause in PAUSES {
            let before = self.sent.load(Ordering::Relaxed);
            match work(self).await {
                Err(Failed { error, passing: true }) => {
                    self.sent.store(before, Ordering::Relaxed);
                    if !self.told.contains(&error.message) {
                        (self.emit)(BuildEvent::Note(format!("{error}; trying again")));
                        self.told.push(error.message);
                    }
                    sleep(pause).await;
                }
                Err(Failed { error, .. }) => return Err(error),
                Ok(done) => return Ok(done),
            }
        }
        work(self).await.map_err(|failed| failed.error)
    }

    /// Whether the registry has a blob.
    async fn has(&self, blob: &Blob) -> Result<bool, Failed> {
        let url = self.url(&format!("blobs/{}", blob.digest()))?;
        let answer = self.send(self.request(Method::HEAD, url)).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            // The registry may redirect to the place of a blob that it has.
            status if status.is_success() || status.is_redirection() => Ok(true),
            _ => Err(self.refused(answer).await),
        }
    }

    /// Sends a blob in one piece.
    async fn upload(&self, blob: &Blob) -> Result<(), Failed> {
        let url = self.url("blobs/uploads/")?;
        let begin = self.request(Method::POST, url.clone()).header(CONTENT_LENGTH, 0);
        let answer = self.send(begin).await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(self.refused(answer).await);
        }
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let mut location = location
            .and_then(|location| url.join(location).ok())
            .filter(|location| location.scheme() == "https" || location.scheme() == url.scheme())
            .ok_or_else(|| self.failed("it does not say where to upload to".to_owned()))?;
        location.query_pairs_mut().append_pair("digest", blob.digest());
        let answer = self
            .send(
                self.request(Method::PUT, location)
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_LENGTH, blob.bytes().len())
                    .body(self.body(blob)),
            )
            .await?;
        if answer.status() != StatusCode::CREATED {
            return Err(self.refused(answer).await);
        }
        Ok(())
    }

    /// Puts the manifest under a tag.
    async fn manifest(&self, image: &Image, tag: &str) -> Result<(), Failed> {
        let url = self.url(&format!("manifests/{tag}"))?;
        let manifest = image.manifest();
        let put = self.request(Method::PUT, url).header(CONTENT_TYPE, MANIFEST);
        let answer = self.send(put.body(manifest.bytes().to_vec())).await?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        Ok(())
    }

    /// A blob as the body of a request, which reports its progress.
    fn body(&self, blob: &Blob) -> Body {
        let bytes = std::io::Cursor::new(blob.bytes().to_vec());
        let sent = Arc::clone(&self.sent);
        let pieces = ReaderStream::with_capacity(bytes, PIECE).inspect(move |piece| {
            let size = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            sent.fetch_add(size, Ordering::Relaxed);
        });
        Body::wrap_stream(pieces)
    }

    fn url(&self, path: &str) -> Result<Url, Failed> {
        self.base.join(path).map_err(|error| self.failed(error.to_string()))
    }

    /// A request, with the token only where it goes to the registry itself.
    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let own = url.origin() == self.base.origin();
        let request = self.client.request(method, url);
        match &self.authorization {
            Some(authorization) if own => request.header(AUTHORIZATION, authorization.clone()),
            _ => request,
        }
    }

    /// Waits for the answer for as long as the upload makes progress.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failed> {
        let mut work = std::pin::pin!(request.send());
        let mut sent = self.sent.load(Ordering::Relaxed);
        let mut stalls = Instant::now() + STALLED;
        // The interval is short enough to see progress.
        let mut look = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                answer = &mut work => {
                    return answer.map_err(|error| {
                        let broken = !error.is_builder();
                        let failed = self.broken(error.into());
                        // A certificate that is not trusted will not be trusted the next time either.
                        let passing = broken && failed.error.kind == ImageErrorKind::PushFailed;
                        Failed { passing, ..failed }
                    });
                }
                _ = look.tick() => {
                    let now = self.sent.load(Ordering::Relaxed);
                    if now != sent {
                        sent = now;
                        stalls = Instant::now() + STALLED;
                        (self.emit)(BuildEvent::Pushed { done: now.min(self.total), total: self.total });
                    }
                }
                () = sleep_until(stalls) => {
                    let error = self.failed(format!("nothing has moved for {} s", STALLED.as_secs()));
                    return Err(Failed { passing: true, ..error });
                }
            }
        }
    }

    /// The failure that a registry's refusal describes.
    async fn refused(&self, answer: Response) -> Failed {
        let status = answer.status();
        let url = answer.url().to_string();
        let mut message = answer.text().await.unwrap_or_default();
        if message.len() > LONGEST {
            message = message.chars().take(LONGEST).collect();
        }
        let passing = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        if message.trim().is_empty() {
            status.canonical_reason().unwrap_or_default().clone_into(&mut message);
        }
        let error = OciDistributionError::ServerError { code: status.as_u16(), url, message };
        Failed { passing, ..self.broken(error) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is made for this")]
    fn broken(&self, error: OciDistributionError) -> Failed {
        let mut error = self.registry.failed(self.doing.clone(), &error);
        // The registry answers, or has answered: the push itself failed.
        if error.kind == ImageErrorKind::Registry {
            error.kind = ImageErrorKind::PushFailed;
        }
        Failed { error, passing: false }
    }

    fn failed(&self, message: String) -> Failed {
        let error = ImageError::new(ImageErrorKind::PushFailed, self.doing.as_str(), message);
        Failed { error, passing: false }
    }
}
