//! HTTP: the listener, faults, the record of calls, and the way to the methods.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::serve::{IncomingStream, Listener};
use futures::stream;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{self, Answer, Call};
use crate::control;
use crate::error::ApiError;
use crate::faults::FaultAction;
use crate::schema;
use crate::tokens::NotAuthenticated;
use crate::{Cloud, calls, tail};

/// The largest request that is read: more than any of the real services takes.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Serves until `cloud.closing` is cancelled.
pub(crate) async fn serve(cloud: Arc<Cloud>, listener: TcpListener) -> io::Result<()> {
    let closing = cloud.closing.clone();
    let router = Router::new().fallback(answer).with_state(cloud);
    let service = router.into_make_service_with_connect_info::<Wire>();
    axum::serve(Wires(listener), service)
        .with_graceful_shutdown(async move { closing.cancelled().await })
        .await
}

/// A handle to the caller's connection, by which an answer can be withheld.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    cut: AtomicBool,
    written: AtomicU64,
}

impl Wire {
    /// Resets the connection: the peer sees "connection reset by peer", not an orderly end.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::SeqCst)
    }

    /// How many bytes have gone to the peer.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::SeqCst)
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.0.written.fetch_add(*bytes as u64, Ordering::SeqCst);
        }
        written
    }
}

impl Connected<IncomingStream<'_, Wires>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Self {
        stream.io().wire.clone()
    }
}

struct Wires(TcpListener);

impl Listener for Wires {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        // Through the trait: it waits and goes on where there are no file descriptors left.
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Only a matter of speed: answers are small, and the peer waits for them.
        drop(stream.set_nodelay(true));
        (Socket { stream, wire: Wire::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that can be cut under the HTTP library's feet.
struct Socket {
    stream: TcpStream,
    wire: Wire,
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.wire.is_cut() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.check().is_err() {
            // A zero linger makes the close a reset.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wire.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wire.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn answer(
    State(cloud): State<Arc<Cloud>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request<Body>,
) -> Response<Body> {
    let received = cloud.started.elapsed();
    let (parts, body) = request.into_parts();
    let content = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content.is_some_and(|content| content.starts_with(b"application/grpc")) {
        return tail::answer(cloud, wire, parts, body, received).await;
    }
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        // The peer went away in the middle of its request, or sends without end.
        wire.cut();
        return Response::new(Body::empty());
    };
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let method = parts.method.as_str();
    if let Some(rest) = path.strip_prefix("/emulator/") {
        return control::answer(&cloud, method, rest, &body).await;
    }

    let id = cloud.calls.begin(&calls::Received {
        method,
        path: &path,
        query,
        headers: &parts.headers,
        body: &body,
        at: received,
    });
    let (delay, fault) = cloud.faults.hit(method, &path);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if let Some(FaultAction::ResetBefore) = fault {
        wire.cut();
        return Response::new(Body::empty());
    }
    if let Some(FaultAction::CarryOutLate(milliseconds)) = fault {
        wire.cut();
        let call = Late { parts, path, body, after: Duration::from_millis(milliseconds) };
        cloud.store.change(|state| state.late += 1);
        tokio::spawn(call.carry_out(cloud));
        return Response::new(Body::empty());
    }
    let response = match &fault {
        Some(FaultAction::Status { code, status, message, retry_after }) => {
            refusal(*code, status.as_deref(), message, retry_after.as_deref())
        }
        _ => handle(&cloud, method, &path, query, &parts.headers, &body).await,
    };
    if let Some(FaultAction::ResetAfter) = fault {
        wire.cut();
        return Response::new(Body::empty());
    }
    cloud.calls.end(&id, response.status().as_u16());
    match fault {
        Some(FaultAction::Truncate { bytes }) => truncate(response, bytes).await,
        _ => response,
    }
}

/// A call that is carried out when nobody waits for it any more.
struct Late {
    parts: Parts,
    path: String,
    body: Bytes,
    after: Duration,
}

impl Late {
    async fn carry_out(self, cloud: Arc<Cloud>) {
        let epoch = cloud.epoch();
        tokio::select! {
            () = tokio::time::sleep(self.after) => {}
            () = cloud.closing.cancelled() => return,
        }
        // A request to what was forgotten in the meantime is forgotten, too.
        if cloud.epoch() == epoch {
            let query = self.parts.uri.query().unwrap_or_default();
            let method = self.parts.method.as_str();
            handle(&cloud, method, &self.path, query, &self.parts.headers, &self.body).await;
            cloud.store.change(|state| state.late = state.late.saturating_sub(1));
        }
    }
}

async fn handle(
    cloud: &Arc<Cloud>,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Body> {
    let query = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut call = Call { method, path, query, body, caller: cloud.options.caller.clone() };
    let integers = call.enums_as_integers();
    let own = if api::is_open(method, path) { Ok(None) } else { authenticate(cloud, headers) };
    let own = own.map_err(|error| if api::is_storage(path) { api::not_let_in() } else { error });
    let result = match own {
        Ok(own) => {
            call.caller = own.unwrap_or(call.caller);
            api::dispatch(cloud, call).await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(Answer::Message(reply)) => {
            to_json(StatusCode::OK, &schema::write(reply.message, &reply.value, integers))
        }
        Ok(Answer::Media(media)) => {
            let mut response = of_bytes(StatusCode::OK, media.content, api::CONTENT_TYPE);
            response.headers_mut().insert("x-goog-generation", HeaderValue::from(media.generation));
            response
        }
        Ok(Answer::Nothing) => of_bytes(StatusCode::NO_CONTENT, "", "text/html; charset=UTF-8"),
        Err(error) => match error.text() {
            Some(text) => of_bytes(error.http, text.to_owned(), "text/html; charset=UTF-8"),
            None => to_json(error.http, &error.body()),
        },
    }
}

/// Who calls, where the token says so; nobody is checked unless a test asks for a token.
pub(crate) fn authenticate(cloud: &Cloud, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    const EXPECTED: &str = "Expected OAuth 2 access token, login cookie or other valid \
        authentication credential. See \
        https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let (problem, reason) =
        match cloud.tokens.check(headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes)) {
            Ok(own) => return Ok(own),
            Err(NotAuthenticated::Invalid) => {
                ("Request had invalid authentication credentials.", "ACCESS_TOKEN_EXPIRED")
            }
            Err(NotAuthenticated::Missing) => {
                ("Request is missing required authentication credential.", "CREDENTIALS_MISSING")
            }
        };
    Err(ApiError::unauthenticated(format!("{problem} {EXPECTED}")).with(json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
    })))
}

fn refusal(code: u16, status: Option<&str>, message: &str, retry_after: Option<&str>) -> Response<Body> {
    let error = ApiError::of_http(code, status, message);
    let mut response = to_json(error.http, &error.body());
    if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// Promises the whole body and breaks off after its first bytes.
async fn truncate(response: Response<Body>, bytes: usize) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let start = body.slice(..bytes.min(body.len()));
    let pieces = [Ok(start), Err(io::Error::from(io::ErrorKind::BrokenPipe))];
    // Yielding makes the HTTP library flush what it has: an error right behind the bytes would make
    // it drop both.
    let pieces = stream::unfold(pieces.into_iter(), |mut pieces| async move {
        let piece = pieces.next()?;
        if piece.is_err() {
            tokio::task::yield_now().await;
        }
        Some((piece, pieces))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

pub(crate) fn to_json(http: StatusCode, value: &Value) -> Response<Body> {
    of_bytes(http, value.to_string(), "application/json; charset=UTF-8")
}

fn of_bytes(http: StatusCode, body: impl Into<Body>, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = http;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
