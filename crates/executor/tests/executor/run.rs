//! Starts the executor and reads its answer.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use quill_admin_contract::{Change, Claim, ExitCode, FieldValue, Outcome, ResultLine, SubjectState};
use quill_admin_testkit::postgres::Database;
use serde_json::Value;

/// The id of every request in these tests.
pub(crate) const REQUEST: &str = "0199a3c4-5d6e-7f80-8123-456789abcdef";

/// Two hashes of the application's form.
pub(crate) const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY";
pub(crate) const OTHER_HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$b3RoZXJzYWx0b3RoZXJzYQ$JObG1sJzVLmYRhYRdescudvJCsgt3ubb4dWRWJTmaac";

/// Variables whose values must never be printed.
const SECRETS: [&str; 5] =
    ["ADMIN_PASSWORD", "ADMIN_PASSWORD_HASH", "ADMIN_PROOF_KEY", "AUTH_DB_PASSWORD", "CORE_DB_PASSWORD"];

/// An executor about to be started.
#[derive(Clone)]
pub(crate) struct Executor {
    env: BTreeMap<String, String>,
    arguments: Vec<String>,
}

impl Executor {
    /// An executor without any variable.
    pub(crate) fn bare() -> Self {
        Self { env: BTreeMap::new(), arguments: Vec::new() }
    }

    /// An executor with the connection to a database, a request id and JSON lines.
    pub(crate) fn on(db: &Database, action: &str) -> Self {
        Self::bare()
            .set("AUTH_DB_HOST", &db.host)
            .set("AUTH_DB_PORT", &db.port.to_string())
            .set("AUTH_DB_NAME", &db.name)
            .set("AUTH_DB_USER", &db.user)
            .set("AUTH_DB_PASSWORD", &db.password)
            .set("ADMIN_LOG_FORMAT", "json")
            .set("ADMIN_REQUEST_ID", REQUEST)
            .set("ADMIN_ACTION", action)
    }

    /// Asks for create-superadmin with a hash.
    pub(crate) fn create(db: &Database, username: &str, email: &str) -> Self {
        Self::on(db, "create-superadmin")
            .set("ADMIN_USERNAME", username)
            .set("ADMIN_EMAIL", email)
            .set("ADMIN_PASSWORD_HASH", HASH)
    }

    /// Asks for update-permissions.
    pub(crate) fn permission(db: &Database, username: &str, level: &str) -> Self {
        Self::on(db, "update-permissions").set("ADMIN_USERNAME", username).set("ADMIN_PERMISSION", level)
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Appends arguments.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quill-admin-executor"));
        command.args(&self.arguments).env_clear().envs(&self.env).stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&self) -> Running {
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the executor starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, stdout, text: String::new(), started: Instant::now(), env: self.env.clone() }
    }

    pub(crate) fn run(&self) -> Ended {
        self.start().finish()
    }
}

/// A started executor.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    text: String,
    started: Instant,
    env: BTreeMap<String, String>,
}

impl Running {
    /// Reads on until a line contains the text.
    pub(crate) fn until(&mut self, needle: &str) {
        loop {
            let from = self.text.len();
            let read = self.stdout.read_line(&mut self.text).expect("readable");
            assert!(read > 0, "it ended without {needle:?}: {}", self.text);
            if self.text[from..].contains(needle) {
                return;
            }
        }
    }

    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// Waits for the end of one that may have been killed; returns all that it has printed.
    pub(crate) fn output(mut self) -> String {
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).expect("readable");
        self.text.push_str(&String::from_utf8_lossy(&rest));
        let _ = self.child.wait();
        self.text
    }

    /// Waits for the end, and checks that no secret was printed.
    pub(crate) fn finish(mut self) -> Ended {
        self.stdout.read_to_string(&mut self.text).expect("UTF-8");
        let mut errors = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut errors).expect("UTF-8");
        let status = self.child.wait().expect("it ends");
        let took = self.started.elapsed();
        for name in SECRETS {
            let Some(secret) = self.env.get(name).filter(|secret| !secret.trim().is_empty()) else {
                continue;
            };
            for (stream, text) in [("standard output", &self.text), ("standard error", &errors)] {
                assert!(!text.contains(secret.trim()), "the value of {name} is on {stream}: {text}");
            }
        }
        assert_eq!(errors, "", "nothing belongs on standard error");
        Ended { code: status.code(), text: self.text, took }
    }
}

/// The exit code and the output of an executor.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// Checks the exit code, and that the result line, the last one, agrees with it.
    #[track_caller]
    pub(crate) fn expect(self, code: ExitCode) -> Self {
        assert_eq!(self.code, Some(i32::from(code.code())), "{}", self.text);
        assert_eq!(self.result().exit_code, code.code());
        self
    }

    /// The lines as JSON. Each carries the request's id.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines: Vec<Value> = self
            .text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        for line in &lines {
            assert_eq!(line["quill_admin"]["request_id"], REQUEST, "{line}");
        }
        lines
    }

    /// The messages of all lines but the result, with their severity.
    pub(crate) fn messages(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.pop();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        lines.iter().map(|line| format!("{} {}", text(&line["severity"]), text(&line["message"]))).collect()
    }

    /// The message of the result.
    pub(crate) fn message(&self) -> String {
        let lines = self.lines();
        lines.last().and_then(|line| line["message"].as_str()).expect("a message").to_owned()
    }

    /// The result line.
    #[track_caller]
    pub(crate) fn result(&self) -> ResultLine {
        let lines = self.lines();
        let last = lines.last().unwrap_or_else(|| panic!("nothing was printed"));
        for line in &lines[..lines.len() - 1] {
            assert_eq!(Claim::from_payload(line, None), None, "the result is the last line");
        }
        let failed = last["quill_admin"]["exit_code"] != 0;
        assert_eq!(last["severity"], if failed { "ERROR" } else { "INFO" });
        Claim::from_payload(last, None).unwrap_or_else(|| panic!("no result: {last}")).line
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.result().outcome
    }

    #[track_caller]
    pub(crate) fn user(&self) -> User {
        let outcome = self.outcome();
        User(outcome.subject().cloned().unwrap_or_else(|| panic!("no user in {}", self.text)))
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.outcome().warnings().iter().map(|warning| warning.code.clone()).collect()
    }

    /// The changes, in short.
    pub(crate) fn changes(&self) -> Vec<String> {
        let short = |change: &Change| match change {
            Change::Field { field, old: Some(old), new: Some(new) } => format!("{field}: {old} -> {new}"),
            Change::Field { field, old: None, new: Some(new) } => format!("{field}: {new}"),
            Change::Field { field, new: None, .. } => panic!("{field} has no value any more"),
            Change::Hidden { field } => field.clone(),
            Change::Added { item, .. } => format!("+ {item}"),
            Change::Removed { item, .. } => format!("- {item}"),
            Change::Other(other) => panic!("the executor makes no such change: {other:?}"),
        };
        self.outcome().changes().iter().map(short).collect()
    }

    #[track_caller]
    pub(crate) fn failure(&self) -> quill_admin_contract::Failure {
        match self.outcome() {
            Outcome::Failed { failure } => failure,
            other => panic!("not a failure: {other:?}"),
        }
    }
}

/// A user of a result.
pub(crate) struct User(SubjectState);

impl User {
    pub(crate) fn name(&self) -> &str {
        assert_eq!(self.0.kind, "user");
        self.0.key.as_deref().expect("users have names")
    }

    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        match self.0.fields.get(field) {
            Some(FieldValue::Text(text)) => text.clone(),
            other => panic!("{field} is {other:?}"),
        }
    }

    /// `None` where the tables have no such column.
    #[track_caller]
    pub(crate) fn is(&self, field: &str) -> Option<bool> {
        match self.0.fields.get(field) {
            Some(FieldValue::Boolean(value)) => Some(*value),
            None => None,
            other => panic!("{field} is {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn roles(&self) -> Vec<String> {
        match self.0.fields.get("roles") {
            Some(FieldValue::List(roles)) => roles.clone(),
            other => panic!("roles are {other:?}"),
        }
    }
}
