//! HTTP: the listener, faults, the record of calls, and the way to the methods.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::serve::{IncomingStream, Listener};
use futures::stream;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{self, Call};
use crate::control;
use crate::error::ApiError;
use crate::faults::FaultAction;
use crate::schema;
use crate::{Cloud, calls};

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
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<AtomicBool>);

impl Wire {
    /// Resets the connection: the peer sees "connection reset by peer", not an orderly end.
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Wires>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Self {
        Self(Arc::clone(&stream.io().cut))
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
        let cut = Arc::new(AtomicBool::new(false));
        (Socket { stream, cut }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that can be cut under the HTTP library's feet.
struct Socket {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.cut.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
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
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
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
    cloud.calls.end(id, response.status().as_u16());
    match fault {
        Some(FaultAction::Truncate { bytes }) => truncate(response, bytes).await,
        _ => response,
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
    let call = Call { method, path, query, body };
    let integers = call.enums_as_integers();
    let result = match authenticate(cloud, headers) {
        Ok(()) => api::dispatch(cloud, call).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(reply) => to_json(StatusCode::OK, &schema::write(reply.message, &reply.value, integers)),
        Err(error) => to_json(error.http, &error.body()),
    }
}

/// The caller is not checked unless a test asked for one token.
fn authenticate(cloud: &Cloud, headers: &HeaderMap) -> Result<(), ApiError> {
    const EXPECTED: &str = "Expected OAuth 2 access token, login cookie or other valid \
        authentication credential. See \
        https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let Some(token) = &cloud.options.token else {
        return Ok(());
    };
    let detail = |reason: &str| {
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
        })
    };
    match headers.get(header::AUTHORIZATION) {
        Some(value) if value.as_bytes() == format!("Bearer {token}").as_bytes() => Ok(()),
        Some(_) => Err(ApiError::unauthenticated(format!(
            "Request had invalid authentication credentials. {EXPECTED}"
        ))
        .with(detail("ACCESS_TOKEN_EXPIRED"))),
        None => Err(ApiError::unauthenticated(format!(
            "Request is missing required authentication credential. {EXPECTED}"
        ))
        .with(detail("CREDENTIALS_MISSING"))),
    }
}

fn refusal(code: u16, status: Option<&str>, message: &str, retry_after: Option<&str>) -> Response<Body> {
    let http = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = to_json(http, &ApiError::of_code(http, status, message).body());
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
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = http;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
