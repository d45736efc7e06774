//! HTTP: the listener, faults, the record of calls, and the way to the methods.
//!
//! To add a fault: its arm in `answer`. To add a header of all answers: a middleware beside `tell_time`, and its line
//! in [`serve`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use futures::stream;
use tokio::net::TcpListener;

use crate::api::{self, Call, Reply};
use crate::api_error::ApiError;
use crate::calls;
use crate::cloud::Cloud;
use crate::control;
use crate::faults::FaultAction;
use crate::http::body::{LARGEST_BODY, of_bytes, to_json};
use crate::http::wire::{Wire, Wires};
use crate::schema;
use crate::tail;

/// Serves until `cloud.closing` is cancelled.
pub(crate) async fn serve(cloud: Arc<Cloud>, listener: TcpListener) -> io::Result<()> {
    let closing = cloud.closing.clone();
    let router = Router::new()
        .fallback(answer)
        .layer(from_fn_with_state(Arc::clone(&cloud), guard))
        .layer(from_fn_with_state(Arc::clone(&cloud), tell_time))
        .with_state(cloud);
    let service = router.into_make_service_with_connect_info::<Wire>();
    axum::serve(Wires(listener), service)
        .with_graceful_shutdown(async move { closing.cancelled().await })
        .await
}

/// The middleware that keeps web pages away: what is refused reaches neither the record of calls nor
/// a handler.
async fn guard(State(cloud): State<Arc<Cloud>>, request: Request, next: Next) -> Response<Body> {
    match cloud.guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => to_json(error.http, &error.body()),
    }
}

/// The middleware that tells the time.
async fn tell_time(State(cloud): State<Arc<Cloud>>, request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let date = cloud.store.read(|state| state.clock).date();
    response.headers_mut().insert(header::DATE, date);
    response
}

async fn answer(
    State(cloud): State<Arc<Cloud>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
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
    let fault = cloud.faults.hit(method, &path).await;
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
        Some(FaultAction::Garble) => garble(response),
        _ => response,
    }
}

/// The same status and headers, with a body that is no JSON.
fn garble(response: Response<Body>) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from("{\"name\": \"projects/<html>upstream error</html>"))
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
    let call = Call { method, path, query, body, caller: cloud.options.caller.clone() };
    let integers = call.enums_as_integers();
    match api::answer(cloud, headers, call).await {
        Ok(Reply::Message { name, value }) => to_json(StatusCode::OK, &schema::write(name, &value, integers)),
        Ok(Reply::Media { content, content_type, generation }) => {
            let mut response = of_bytes(StatusCode::OK, content, content_type);
            response.headers_mut().insert("x-goog-generation", HeaderValue::from(generation));
            response
        }
        Ok(Reply::Nothing) => of_bytes(StatusCode::NO_CONTENT, "", "text/html; charset=UTF-8"),
        Err(error) => match error.text() {
            Some(text) => of_bytes(error.http, text.to_owned(), "text/html; charset=UTF-8"),
            None => to_json(error.http, &error.body()),
        },
    }
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
