//! `google.logging.v2.LoggingServiceV2.TailLogEntries`, over gRPC: log entries as they come in.
//!
//! Sources: the method's definition ("Each response in the stream will order entries with increasing values of
//! `LogEntry.timestamp`. Ordering is not guaranteed between separate responses."), and the quotas of Cloud Logging.
//! The crate tonic does the framing of gRPC.
//!
//! To change which entries are sent, and when: `hold` and `due` of the session. To add a field of entries:
//! `log_message.rs`. To add a fault: `Limit`, and `faults.rs`.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, request};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::server::{Grpc, StreamingService};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::api::logging;
use crate::api_error::ApiError;
use crate::calls::{CallId, Received};
use crate::cloud::Cloud;
use crate::faults::FaultAction;
use crate::filter::Filter;
use crate::http::sign_in::authenticate;
use crate::http::wire::Wire;
use crate::log_message::log_entry;
use crate::names::part;
use crate::protocol::google::logging::v2::{LogEntry, TailLogEntriesRequest, TailLogEntriesResponse};
use crate::sessions::Place;
use crate::store::Entry;

/// The size of an answer, in bytes, after which another one is begun: clients refuse messages of more than 4 MiB.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// Answers a gRPC request, whatever its method.
pub(crate) async fn answer(
    cloud: Arc<Cloud>,
    wire: Wire,
    parts: request::Parts,
    body: Body,
    at: Duration,
) -> Response<Body> {
    let path = parts.uri.path();
    let call = cloud.calls.begin(&Received {
        method: parts.method.as_str(),
        path,
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &[],
        at,
    });
    let limit = match cloud.faults.hit(parts.method.as_str(), path).await {
        Some(FaultAction::Status { code, status, message, .. }) => {
            Err(ApiError::of_http(code, status.as_deref(), &message))
        }
        Some(FaultAction::BreakStream { entries }) => Ok(Some(Limit { entries, end: None })),
        Some(FaultAction::EndStream { entries, code, message }) => {
            Ok(Some(Limit { entries, end: Some(ApiError::of_http(code, None, &message)) }))
        }
        Some(
            FaultAction::ResetBefore
            | FaultAction::ResetAfter
            | FaultAction::CarryOutLate(_)
            | FaultAction::Garble
            | FaultAction::Truncate { .. },
        ) => {
            wire.cut();
            return Response::new(Body::empty());
        }
        Some(FaultAction::Delay(_) | FaultAction::Hold) | None => Ok(None),
    };
    let limit = limit.and_then(|limit| {
        if path != logging::TAIL_PATH {
            let what = path.trim_start_matches('/').replace('/', ".");
            return Err(ApiError::unimplemented(&what));
        }
        authenticate(&cloud.tokens, &parts.headers)?;
        Ok(limit)
    });
    let response = match limit {
        Ok(limit) => {
            let method = Tailing { cloud: Arc::clone(&cloud), wire, limit, call };
            let request = Request::from_parts(parts, body);
            Grpc::new(ProstCodec::default()).streaming(method, request).await.map(Body::new)
        }
        Err(error) => Status::from(&error).into_http(),
    };
    cloud.calls.end(&call, 200);
    // An answer without messages says in its headers how it ended.
    if let Some(status) = Status::from_header_map(response.headers()) {
        cloud.calls.end_stream(&call, status.code().into());
    }
    response
}

/// The method for one call.
struct Tailing {
    cloud: Arc<Cloud>,
    wire: Wire,
    limit: Option<Limit>,
    call: CallId,
}

impl StreamingService<TailLogEntriesRequest> for Tailing {
    type Response = TailLogEntriesResponse;
    type ResponseStream = BoxStream<'static, Result<TailLogEntriesResponse, Status>>;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Requests>) -> Self::Future {
        let (sender, receiver) = mpsc::channel(16);
        let answers = Answers { sender, wire: self.wire.clone(), limit: self.limit.take(), sent: 0 };
        let (cloud, call) = (Arc::clone(&self.cloud), self.call);
        Box::pin(async move {
            let mut requests = request.into_inner();
            let begun = cloud.opening.token();
            let Some(request) = requests.message().await? else {
                // Nothing was asked for.
                let error = ApiError::invalid("The request must contain at least one message.");
                return Err(Status::from(&error));
            };
            let (session, place) =
                Session::open(&cloud, &call, &request).map_err(|error| Status::from(&error))?;
            drop(begun);
            tokio::spawn(async move {
                let _place = place;
                follow(&cloud, session, requests, answers, &call).await;
            });
            let answers = stream::unfold(receiver, |mut receiver| async move {
                let answer = receiver.recv().await?;
                Some((answer, receiver))
            });
            Ok(tonic::Response::new(answers.boxed()))
        })
    }
}

impl From<&ApiError> for Status {
    fn from(error: &ApiError) -> Self {
        Self::new(Code::from_i32(error.rpc_code()), error.to_string())
    }
}

/// The messages of the caller.
type Requests = Streaming<TailLogEntriesRequest>;

/// A fault that ends the stream.
struct Limit {
    entries: u64,
    /// The connection is reset where there is none.
    end: Option<ApiError>,
}

struct Answers {
    sender: mpsc::Sender<Result<TailLogEntriesResponse, Status>>,
    wire: Wire,
    limit: Option<Limit>,
    sent: u64,
}

/// The stream is over.
struct Over;

impl Answers {
    async fn entries(&mut self, entries: Vec<LogEntry>) -> Result<(), Over> {
        let mut answer = TailLogEntriesResponse::default();
        let mut length = 0;
        for entry in entries {
            if self.is_at_limit(answer.entries.len()) {
                break;
            }
            length += entry.encoded_len();
            answer.entries.push(entry);
            if length > LONGEST_ANSWER {
                self.message(std::mem::take(&mut answer)).await?;
                length = 0;
            }
        }
        if answer.entries.is_empty() { Ok(()) } else { self.message(answer).await }
    }

    fn is_at_limit(&self, more: usize) -> bool {
        self.limit.as_ref().is_some_and(|limit| self.sent + more as u64 >= limit.entries)
    }

    async fn message(&mut self, answer: TailLogEntriesResponse) -> Result<(), Over> {
        self.sent += answer.entries.len() as u64;
        // In a frame of gRPC, a flag for compression and four bytes of length come first.
        let (before, length) = (self.wire.written(), 5 + answer.encoded_len() as u64);
        self.sender.send(Ok(answer)).await.map_err(|_| Over)?;
        if self.is_at_limit(0) {
            // What follows would overtake the message: it has to be on its way first.
            let _ = tokio::time::timeout(Duration::from_secs(1), async {
                while self.wire.written() < before + length {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            })
            .await;
        }
        Ok(())
    }

    /// Ends the stream if a fault says that it is time; the code it ends with, unless it breaks.
    async fn fail(&mut self) -> Option<Option<i32>> {
        if !self.is_at_limit(0) {
            return None;
        }
        if let Some(error) = self.limit.take()?.end {
            self.end(&error).await;
            return Some(Some(error.rpc_code()));
        }
        self.wire.cut();
        // Its error is that of a caller who has gone already.
        drop(self.sender.send(Err(Status::unavailable("connection reset"))).await);
        Some(None)
    }

    async fn end(&mut self, error: &ApiError) {
        // A stream that ends without an error says so by ending.
        if error.rpc_code() != 0 {
            drop(self.sender.send(Err(Status::from(error))).await);
        }
    }
}

/// A live log: the query of its caller, and the entries that are held back until their time.
struct Session {
    projects: BTreeSet<String>,
    filter: Filter,
    window: SignedDuration,
    /// The number of the next entry to look at.
    next: u64,
    held: Vec<Held>,
    /// The number of resets of the emulator when the live log was opened, which ends with the next reset.
    epoch: u64,
}

struct Held {
    /// The time from which on reads return it.
    available: Timestamp,
    timestamp: Timestamp,
    entry: LogEntry,
}

impl Held {
    fn due(&self, window: SignedDuration) -> Timestamp {
        self.available.checked_add(window).unwrap_or(self.available)
    }
}

impl Session {
    fn open(
        cloud: &Arc<Cloud>,
        call: &CallId,
        request: &TailLogEntriesRequest,
    ) -> Result<(Self, Place), ApiError> {
        cloud.calls.set_body(call, describe(request));
        logging::check_permission(cloud)?;
        let (projects, filter, window) = read(request)?;
        projects.iter().try_for_each(|project| logging::check_enabled(cloud, project))?;
        let limit = cloud.options.log_tails_per_project;
        let place = cloud.sessions.take_place(projects.clone(), limit).ok_or_else(|| {
            ApiError::exhausted(format!(
                "Quota exceeded: the project has {limit} open tailing sessions, which is the most there can be."
            ))
        })?;
        let mut session = Self { projects, filter, window, next: 0, held: Vec::new(), epoch: cloud.epoch() };
        let opened = Timestamp::now();
        cloud.store.read(|state| {
            for entry in &state.saved.entries {
                session.hold(entry, opened);
            }
            session.next = state.next_entry();
        });
        Ok((session, place))
    }

    /// Holds an entry back until its time, if it is to be sent, and becomes available only `after`.
    fn hold(&mut self, entry: &Entry, after: Timestamp) {
        let log = entry.json["logName"].as_str().unwrap_or_default();
        if !self.projects.contains(part(log, "projects")) || !self.filter.matches(&entry.json) {
            return;
        }
        for available in std::iter::once(entry.available).chain(entry.again) {
            if available > after {
                self.held.push(Held { available, timestamp: entry.timestamp, entry: log_entry(&entry.json) });
            }
        }
    }

    /// Looks at what has come in.
    fn take_in(&mut self, cloud: &Cloud) {
        cloud.store.read(|state| {
            for entry in state.entries_from(self.next) {
                self.hold(entry, Timestamp::MIN);
            }
            self.next = state.next_entry();
        });
    }

    /// Takes the entries that are to be sent now, in the order of their times. Entries that are older than one of
    /// them are sent with them, so that the window of time does put entries in order.
    fn due(&mut self) -> Vec<LogEntry> {
        let now = Timestamp::now();
        let window = self.window;
        let newest = self.held.iter().filter(|held| held.due(window) <= now).map(|held| held.timestamp).max();
        let Some(newest) = newest else {
            return Vec::new();
        };
        let overtaken = |held: &Held| !window.is_zero() && held.timestamp < newest && held.available <= now;
        let (mut due, held): (Vec<Held>, Vec<Held>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.due(window) <= now || overtaken(held));
        self.held = held;
        due.sort_by_key(|held| held.timestamp);
        due.into_iter().map(|held| held.entry).collect()
    }

    /// The time until the next entry is due; `None` where none is held.
    fn pause(&self) -> Option<Duration> {
        let next = self.held.iter().map(|held| held.due(self.window)).min()?;
        Some(Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
    }
}

fn read(request: &TailLogEntriesRequest) -> Result<(BTreeSet<String>, Filter, SignedDuration), ApiError> {
    // The field's documentation: "Valid values are between 0-60000 milliseconds. Defaults to 2000
    // milliseconds."
    let window = match request.buffer_window {
        None => SignedDuration::from_secs(2),
        Some(window) => SignedDuration::new(window.seconds, window.nanos),
    };
    if window.is_negative() || window > SignedDuration::from_mins(1) {
        return Err(ApiError::invalid("buffer_window must be between 0 and 60000 milliseconds"));
    }
    let filter = Filter::parse(&request.filter)
        .map_err(|error| ApiError::invalid(format!("Unparseable filter: {error}")))?;
    let names = json!({ "resourceNames": request.resource_names });
    let projects = logging::projects(&names)?.into_iter().map(str::to_owned).collect();
    Ok((projects, filter, window))
}

/// A request as the record of calls has it.
fn describe(request: &TailLogEntriesRequest) -> Value {
    let mut body = json!({ "resourceNames": request.resource_names });
    if !request.filter.is_empty() {
        body["filter"] = json!(request.filter);
    }
    if let Some(window) = &request.buffer_window {
        let seconds = SignedDuration::new(window.seconds, window.nanos).as_secs_f64();
        body["bufferWindow"] = json!(format!("{seconds}s"));
    }
    body
}

/// Sends what comes in until one side ends it.
async fn follow(
    cloud: &Arc<Cloud>,
    mut session: Session,
    mut requests: Requests,
    mut answers: Answers,
    call: &CallId,
) {
    let mut changes = cloud.store.changes();
    let mut asking = true;
    loop {
        changes.borrow_and_update();
        if let Some(code) = answers.fail().await {
            if let Some(code) = code {
                cloud.calls.end_stream(call, code);
            }
            return;
        }
        if cloud.epoch() != session.epoch || cloud.closing.is_cancelled() {
            let error = ApiError::of_http(503, None, "The service is currently unavailable.");
            answers.end(&error).await;
            cloud.calls.end_stream(call, error.rpc_code());
            return;
        }
        session.take_in(cloud);
        if answers.entries(session.due()).await.is_err() {
            return;
        }
        if answers.is_at_limit(0) {
            continue;
        }
        let pause = session.pause();
        let sleep = async move {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = changes.changed() => {}
            () = sleep => {}
            () = answers.sender.closed() => return,
            () = cloud.closing.cancelled() => {}
            request = requests.message(), if asking => match request {
                // A caller that has nothing more to ask goes on listening.
                Ok(None) if cloud.options.end_tail_with_requests => {
                    answers.end(&ApiError::none()).await;
                    cloud.calls.end_stream(call, 0);
                    return;
                }
                Ok(None) => asking = false,
                Ok(Some(request)) => match read(&request) {
                    // Whose sessions it counts among does not change.
                    Ok((projects, filter, window)) => {
                        session.projects = projects;
                        session.filter = filter;
                        session.window = window;
                    }
                    Err(error) => {
                        answers.end(&error).await;
                        cloud.calls.end_stream(call, error.rpc_code());
                        return;
                    }
                },
                Err(_) => return,
            },
        }
    }
}
