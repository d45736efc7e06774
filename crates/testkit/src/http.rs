//! HTTP without a library: a client for single requests, and a server with one fixed answer.
//!
//! The client uses HTTP/1.0, where an answer ends with its connection. That needs neither a client library
//! nor a runtime.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// Time limit for a silent server. It is far above what any takes, and keeps tests from hanging for ever.
const LIMIT: Duration = Duration::from_mins(3);

/// A request that is about to be sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct Request {
    line: String,
    headers: String,
    body: String,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self { line: format!("{method} {path}"), headers: String::new(), body: String::new() }
    }

    /// Adds a header; one of the same name is kept as well.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.headers, "{name}: {value}\r\n");
        self
    }

    /// Sets the body.
    pub fn body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", content_type).header("Content-Length", &length)
    }

    /// Sets the body to a JSON document.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends the request to `host:port`, and reads the answer to its end. Panics where there is none.
    pub fn send(self, address: &str) -> Answer {
        let line = self.line.clone();
        self.try_send(address).unwrap_or_else(|error| panic!("{line} at {address} failed: {error}"))
    }

    /// Sends the request to `host:port`, and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// Fails if nobody listens there, if the server is silent for a minute, or if its answer is not HTTP.
    pub fn try_send(self, address: &str) -> io::Result<Answer> {
        let Self { line, headers, body } = self;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        write!(stream, "{line} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n{body}")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Answer::parse(&text).ok_or_else(|| io::Error::other(format!("{text:?} is no answer")))
    }
}

/// The answer of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: String,
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Self { status, headers, body: body.to_owned() })
    }

    /// Panics if the status is another one.
    #[expect(clippy::return_self_not_must_use, reason = "often the status is all that is asked about")]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the server answered {}: {}", self.status, self.body);
        self
    }

    /// The value of a header, whose name is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as one JSON document.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}\n{}", self.body))
    }
}

/// A whole answer as a server writes it before it closes the connection: `status` is the code with its
/// reason, `headers` are whole lines, each with its end.
#[must_use]
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A server that gives the same answer to every request, and records the requests. It serves until the
/// process ends. `answer` is given the port and makes the whole [`answer`], head and body; returned are the
/// port, and the heads of the requests as they come.
pub fn server(answer: impl Fn(u16) -> String) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let answer = answer(port);
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            kept.lock().expect("unpoisoned").push(String::from_utf8_lossy(&request).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, seen)
}
