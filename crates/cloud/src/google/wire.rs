//! The connections to the services: one to each host, shared by all requests to it at the same time.
//!
//! Google's clients make an HTTP client each, for HTTP/1.1 alone, and so open a connection for each of them
//! and for every parallel request. Here one HTTP client serves all of them, over HTTP/2, which Google's hosts
//! support.
//!
//! A host that does not support it (a proxy that decrypts TLS, a gateway) is noticed at the first request,
//! which is a read: that request is sent again over HTTP/1.1, and so are all later ones.
//!
//! To change which failures lead to HTTP/1.1: `misunderstood` in [`Wire::send`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_gax::error::rpc::Status;
use google_cloud_gax::error::{CredentialsError, Error};
use http::header::{CONTENT_TYPE, DATE, HOST};
use http::{Extensions, HeaderMap, HeaderValue};
use jiff::Timestamp;
use reqwest::{Client, ClientBuilder, Method, Request, Response, Url, redirect};

use crate::error::no_application_protocol;

/// Interval of the pings on an idle connection, and the time limit of their answers. They keep the connection
/// open while a person thinks, and keep the start of a task from being sent over one that ended while the
/// laptop slept.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_WITHIN: Duration = Duration::from_secs(5);

/// Time limit for opening a connection ahead of its use.
const OPENED_WITHIN: Duration = Duration::from_secs(10);

/// All connections. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Wire(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The client for HTTP/2: one connection to a host, for all requests.
    http2: Client,
    /// The client for HTTP/1.1: as many connections as there are requests at the same time.
    http1: Client,
    /// The protocol of each host that has answered.
    spoken: Mutex<HashMap<String, Protocol>>,
    /// The time that the last answer told, and when it came.
    told: Mutex<Option<(Timestamp, Instant)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http2,
    Http1,
}

/// An answer, and the time when it came.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The time by this machine's clock, before the body was read, which may take a while.
    pub(super) received: Timestamp,
}

/// The time of an answer, by the server's clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    // An HTTP date is one of RFC 2822 as well (RFC 9110, section 5.6.7).
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}

/// A request to send.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    /// The host name to send, where it differs from the address.
    pub(super) host: Option<&'a HeaderValue>,
    /// The body, as JSON.
    pub(super) body: Option<&'a [u8]>,
    /// Whether the request can be sent twice.
    pub(super) idempotent: bool,
    /// Time limit.
    pub(super) within: Option<Duration>,
}

impl Wire {
    /// Makes the clients; no connection is opened yet. The TLS provider has to be installed.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        // Redirects are not followed: no call is answered with one, and the token is for the host that was
        // asked. Requests are repeated only by the policy of the call.
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
            told: Mutex::default(),
        })))
    }

    /// The time by the services' clock, as their last answer told it: at most a second and the answer's way behind.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let (date, came) = (*self.0.told.lock().unwrap_or_else(PoisonError::into_inner))?;
        date.checked_add(came.elapsed()).ok()
    }

    /// A request that is to be sent with [`send`](Self::send).
    pub(super) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.0.http2.request(method, url)
    }

    /// Sends a request over the connection to its host.
    pub(super) async fn send(&self, request: Request, idempotent: bool) -> Result<Response, reqwest::Error> {
        let host = request.url().origin().ascii_serialization();
        match self.spoken(&host) {
            // Over HTTP/2 the address alone names the host of a request.
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
        // A server that does not understand HTTP/2 breaks the connection off, or has refused it in TLS
        // already.
        let misunderstood = !error.is_timeout() && (!error.is_connect() || no_application_protocol(&error));
        let Some(copy) = copy.filter(|_| misunderstood && self.spoken(&host) != Some(Protocol::Http2)) else {
            return Err(error);
        };
        let answer = self.over_http1(copy).await?;
        self.learn(host, Protocol::Http1);
        Ok(answer)
    }

    /// Opens the connection to a host, with a request that needs no sign-in and has no answer there. If that
    /// fails, the first call reports it.
    pub(super) async fn open(&self, address: Url) {
        if let Ok(request) = self.request(Method::HEAD, address).timeout(OPENED_WITHIN).build() {
            let _ = self.send(request, true).await;
        }
    }

    /// Sends a request over HTTP/1.1, as Google's clients do, which name the host without its port.
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

    /// Records the protocol of a host; the first answer decides.
    fn learn(&self, host: String, protocol: Protocol) {
        self.0.spoken.lock().unwrap_or_else(PoisonError::into_inner).entry(host).or_insert(protocol);
    }

    /// One attempt of a call with these credentials; its errors have the form of those of Google's clients.
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
        if let Some(date) = date(&headers) {
            *self.0.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
        }
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

/// Sorts an error as Google's clients do (`map_send_error`).
fn failed(error: reqwest::Error) -> Error {
    if error.is_connect() {
        Error::connect(error)
    } else if error.is_timeout() {
        Error::timeout(error)
    } else {
        Error::io(error)
    }
}
