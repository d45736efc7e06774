//! The connections to the services: one to each host, over which all requests to it go side by side.
//!
//! Google's clients make an HTTP client each, for HTTP/1.1 alone, and so open a connection for every one of
//! them and for every request that goes beside another. Here one HTTP client serves them all, and speaks
//! HTTP/2, as Google's hosts do.
//!
//! A host that does not speak it (a proxy that looks into TLS, a gateway) is noticed at the first request,
//! which is a read: that is sent again over HTTP/1.1, and so is everything after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_gax::error::rpc::Status;
use google_cloud_gax::error::{CredentialsError, Error};
use http::header::{CONTENT_TYPE, HOST};
use http::{Extensions, HeaderMap, HeaderValue};
use jiff::Timestamp;
use reqwest::{Client, ClientBuilder, Method, Request, Response, Url, redirect};

use crate::error::no_application_protocol;

/// How often a connection that nothing goes over is asked whether it is still there, and how long it may
/// take to answer. So it stays open while a person thinks, and one that a laptop's sleep has ended is not
/// sent the start of a task.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_WITHIN: Duration = Duration::from_secs(5);

/// How long opening a connection that nobody waits for may take.
const OPENED_WITHIN: Duration = Duration::from_secs(10);

/// All connections. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Wire(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// One connection to a host, for all requests.
    http2: Client,
    /// As many as there are requests at the same time.
    http1: Client,
    /// What the hosts speak that have answered.
    spoken: Mutex<HashMap<String, Protocol>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http2,
    Http1,
}

/// An answer, and when it was given.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// By this machine's clock, before the body, which may take its time.
    pub(super) received: Timestamp,
}

/// What is sent.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    /// Whom it is for, where that is another than the address names.
    pub(super) host: Option<&'a HeaderValue>,
    /// JSON.
    pub(super) body: Option<&'a [u8]>,
    /// It can be sent twice.
    pub(super) idempotent: bool,
    /// How long it may take.
    pub(super) within: Option<Duration>,
}

impl Wire {
    /// Opens nothing yet. The TLS provider has to be installed.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        // No redirects: none of the calls is answered with one, and the token is for the host that was
        // asked. Nothing is sent again but by the policy of the call.
        let builder = || Client::builder().redirect(redirect::Policy::none()).retry(reqwest::retry::never());
        let pinged = |builder: ClientBuilder| {
            builder
                .http2_prior_knowledge()
                .http2_keep_alive_interval(PING_EVERY)
                .http2_keep_alive_timeout(PING_WITHIN)
                .http2_keep_alive_while_idle(true)
                .pool_idle_timeout(None)
        };
        Ok(Self(Arc::new(Shared {
            http2: pinged(builder()).build()?,
            http1: builder().http1_only().build()?,
            spoken: Mutex::default(),
        })))
    }

    /// A request that is to be sent with [`send`](Self::send).
    pub(super) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.0.http2.request(method, url)
    }

    /// Sends a request over the connection to its host.
    pub(super) async fn send(&self, request: Request, idempotent: bool) -> Result<Response, reqwest::Error> {
        let host = request.url().origin().ascii_serialization();
        match self.spoken(&host) {
            // Over HTTP/2 a request is for whom the address names.
            _ if request.headers().contains_key(HOST) => return self.over_http1(request).await,
            Some(Protocol::Http2) => return self.0.http2.execute(request).await,
            Some(Protocol::Http1) => return self.over_http1(request).await,
            None => {}
        }
        let copy = request.try_clone().filter(|_| idempotent);
        let error = match self.0.http2.execute(request).await {
            Ok(answer) => {
                self.learn(host, Protocol::Http2);
                return Ok(answer);
            }
            Err(error) => error,
        };
        // Who does not understand the first words breaks off, or has refused them in TLS already.
        let misunderstood = !error.is_timeout() && (!error.is_connect() || no_application_protocol(&error));
        let Some(copy) = copy.filter(|_| misunderstood && self.spoken(&host) != Some(Protocol::Http2)) else {
            return Err(error);
        };
        let answer = self.over_http1(copy).await?;
        self.learn(host, Protocol::Http1);
        Ok(answer)
    }

    /// Opens the connection to a host, by a question that has no answer there and needs no sign-in. Should it
    /// fail, the first call is the one to tell.
    pub(super) async fn open(&self, address: Url) {
        if let Ok(request) = self.request(Method::HEAD, address).timeout(OPENED_WITHIN).build() {
            let _ = self.send(request, true).await;
        }
    }

    /// As Google's clients do it, which name the host without its port.
    async fn over_http1(&self, mut request: Request) -> Result<Response, reqwest::Error> {
        let name = request.url().host_str().and_then(|name| HeaderValue::from_str(name).ok());
        if let Some(name) = name {
            request.headers_mut().entry(HOST).or_insert(name);
        }
        self.0.http1.execute(request).await
    }

    fn spoken(&self, host: &str) -> Option<Protocol> {
        self.0.spoken.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    /// The first answer decides.
    fn learn(&self, host: String, protocol: Protocol) {
        self.0.spoken.lock().unwrap_or_else(PoisonError::into_inner).entry(host).or_insert(protocol);
    }

    /// One attempt of a call with somebody's credentials, and its errors as those of Google's clients.
    pub(super) async fn attempt(&self, credentials: &Credentials, call: &Call<'_>) -> Result<Answer, Error> {
        let headers = match credentials.headers(Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => data,
            Ok(CacheableResource::NotModified) => {
                let error = CredentialsError::from_msg(false, "there are no credentials");
                return Err(Error::authentication(error));
            }
            Err(error) => return Err(Error::authentication(error)),
        };
        let mut request = self.request(call.method.clone(), call.url.clone()).headers(headers);
        if let Some(within) = call.within {
            request = request.timeout(within);
        }
        if let Some(host) = call.host {
            request = request.header(HOST, host);
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let answer =
            self.send(request.build().map_err(Error::ser)?, call.idempotent).await.map_err(failed)?;
        let received = Timestamp::now();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(failed)?;
        if status.is_success() {
            return Ok(Answer { headers, body: body.into(), received });
        }
        Err(match Status::try_from(&body) {
            Ok(said) => Error::service_with_http_metadata(said, Some(status.as_u16()), Some(headers)),
            Err(_) => Error::http(status.as_u16(), headers, body),
        })
    }
}

/// As Google's clients sort them (`map_send_error`).
fn failed(error: reqwest::Error) -> Error {
    if error.is_connect() {
        Error::connect(error)
    } else if error.is_timeout() {
        Error::timeout(error)
    } else {
        Error::io(error)
    }
}
