//! A TCP proxy in front of an HTTP server: it records the requests, and can cut or hold those that a test
//! names.
//!
//! To add a treatment of requests: a variant of `Pass` or `Rule`, its method of [`Proxy`], and its arm in `pass`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use quill_admin_testkit::http::answer;
use quill_admin_testkit::registry::manifest_request;

/// Time limit of [`Proxy::wait_for`], against hanging for ever.
const LIMIT: Duration = Duration::from_mins(3);

/// A proxy on a port of its own. It serves until the process ends.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    /// The requests as `METHOD /path`, in the order in which they came.
    requests: Vec<String>,
    /// Number of bytes sent to the server.
    sent: u64,
    rule: Option<(String, Rule)>,
    immutable_tags: bool,
}

/// The treatment of a request.
#[derive(Clone, PartialEq, Eq)]
enum Pass {
    On,
    Cut,
    /// The server is not asked; this answer is sent instead.
    Answered(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Cut,
    Hold,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// A proxy to a server, `127.0.0.1:PORT`.
    #[must_use]
    pub fn to(server: &str) -> Self {
        Self::start(server, |_| None)
    }

    /// A proxy to a server that cuts some connections, chosen by the seed, each after some hundreds of bytes
    /// in either direction.
    #[must_use]
    pub fn cutting(server: &str, seed: u64) -> Self {
        Self::start(server, move |connection| {
            let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(connection));
            (random.u8(..100) < 40).then(|| random.u64(1..6000))
        })
    }

    fn start(server: &str, limit: impl Fn(u64) -> Option<u64> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let state = Arc::<State>::default();
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().flatten()) {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                let left = limit(number).map(AtomicU64::new);
                thread::spawn(move || serve(&client, &server, &state, left));
            }
        });
        Self { address, state }
    }

    /// The proxy's address, `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cuts the connection of every request that contains the text, before the server sees it.
    pub fn cut(&self, request: &str) {
        self.state.lock().rule = Some((request.to_owned(), Rule::Cut));
    }

    /// Holds every request that contains the text without an answer, until the next rule.
    pub fn hold(&self, request: &str) {
        self.state.lock().rule = Some((request.to_owned(), Rule::Hold));
    }

    /// Makes a registry's tags immutable: an existing tag is never put again, not even for the same image.
    /// The message is that of Artifact Registry ("Troubleshoot container images", push), which allows the
    /// latter.
    pub fn immutable_tags(&self) {
        self.state.lock().immutable_tags = true;
    }

    /// Forwards all requests again.
    pub fn open(&self) {
        self.state.lock().rule = None;
        self.state.changed.notify_all();
    }

    /// The requests so far, as `METHOD /path`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().requests.clone()
    }

    /// Number of bytes that the server was sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.state.lock().sent
    }

    /// Waits until a request that contains the text has come.
    pub fn wait_for(&self, request: &str) {
        let deadline = Instant::now() + LIMIT;
        let mut seen = self.state.lock();
        while !seen.requests.iter().any(|line| line.contains(request)) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {request} came, only {:#?}", seen.requests);
            seen = self.state.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Serves a connection. `left` is the number of bytes that may pass before it is cut, if it is to be cut.
fn serve(client: &TcpStream, server: &str, state: &State, left: Option<AtomicU64>) {
    let address = server;
    let Ok(server) = TcpStream::connect(server) else { return };
    let (Ok(answers), Ok(back)) = (server.try_clone(), client.try_clone()) else { return };
    let left = Arc::new(left);
    let allowed = Arc::clone(&left);
    let answering = thread::spawn(move || {
        forward(&answers, &back, allowed.as_ref().as_ref(), |_| true);
        let _ = back.shutdown(Shutdown::Write);
    });
    // The present line; of a body, whose lines can have any length, only the beginning.
    let mut line = Vec::new();
    // A body with a stated length does not end with a line's end: the bytes after it are the next request.
    let (mut length, mut body) = (0_u64, 0_u64);
    forward(client, &server, left.as_ref().as_ref(), |chunk| {
        for &byte in chunk {
            if body > 0 {
                body -= 1;
                continue;
            }
            if byte != b'\n' {
                if line.len() < 2048 {
                    line.push(byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
            if let Some(told) = text.strip_prefix("content-length:") {
                length = told.trim().parse().unwrap_or(0);
            } else if text.is_empty() {
                body = std::mem::take(&mut length);
            }
            match request(&line).map_or(Pass::On, |request| pass(&request, state, address)) {
                Pass::On => {}
                Pass::Cut => return false,
                Pass::Answered(answer) => {
                    refuse(client, &answer);
                    return false;
                }
            }
            line.clear();
        }
        state.lock().sent += u64::try_from(chunk.len()).unwrap_or(0);
        true
    });
    let _ = server.shutdown(Shutdown::Write);
    let _ = answering.join();
}

/// Forwards bytes until the end, or until the connection is to be cut: then both ends are closed.
fn forward(
    mut from: &TcpStream,
    mut to: &TcpStream,
    left: Option<&AtomicU64>,
    mut goes_on: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        let Some(mut chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { return };
        let mut whole = true;
        if let Some(left) = left {
            let size = u64::try_from(count).unwrap_or(0);
            let allowed =
                left.fetch_update(SeqCst, SeqCst, |left| Some(left.saturating_sub(size))).unwrap_or(0);
            whole = size <= allowed;
            chunk = &chunk[..usize::try_from(allowed.min(size)).unwrap_or(0)];
        }
        if !goes_on(chunk) {
            whole = false;
        } else if to.write_all(chunk).is_err() {
            return;
        }
        if !whole {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Answers in the server's place, and reads the rest of the request until the client has seen the answer.
fn refuse(mut client: &TcpStream, answer: &str) {
    if client.write_all(answer.as_bytes()).is_ok() && client.shutdown(Shutdown::Write).is_ok() {
        let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
        let mut rest = [0; 4096];
        while client.read(&mut rest).is_ok_and(|count| count > 0) {}
    }
}

/// Records a request, and decides how it is treated.
fn pass(request: &str, state: &State, server: &str) -> Pass {
    let mut seen = state.lock();
    seen.requests.push(request.to_owned());
    state.changed.notify_all();
    let rule =
        |seen: &Seen| seen.rule.as_ref().filter(|(text, _)| request.contains(text)).map(|(_, rule)| *rule);
    while rule(&seen) == Some(Rule::Hold) {
        seen = state.changed.wait(seen).unwrap_or_else(PoisonError::into_inner);
    }
    if rule(&seen) == Some(Rule::Cut) {
        return Pass::Cut;
    }
    let immutable_tags = seen.immutable_tags;
    drop(seen);
    match request.strip_prefix("PUT ").and_then(|path| Some((path, path.rsplit_once("/manifests/")?.1))) {
        Some((path, tag)) if immutable_tags && !tag.contains(':') && is_there(server, path) => {
            let body = format!(
                "{{\"errors\":[{{\"code\":\"MANIFEST_INVALID\",\"message\":\"cannot update tag {tag}. \
                 The repository has enabled tag immutability\"}}]}}"
            );
            Pass::Answered(answer("400 Bad Request", "Content-Type: application/json\r\n", &body))
        }
        _ => Pass::On,
    }
}

/// Whether the registry has a manifest at this path.
fn is_there(server: &str, path: &str) -> bool {
    let answer = manifest_request("HEAD", path).send(server);
    match answer.status {
        200 => true,
        404 => false,
        _ => panic!("the registry answered {answer:?}"),
    }
}

/// Reads `METHOD /path` from a request's first line.
fn request(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?.trim_end();
    let (method, rest) = text.split_once(' ')?;
    let (path, version) = rest.split_once(' ')?;
    (version.starts_with("HTTP/1.") && method.bytes().all(|byte| byte.is_ascii_uppercase()))
        .then(|| format!("{method} {path}"))
}
