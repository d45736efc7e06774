//! The stand-in for Google Cloud: the emulator as a program of its own, with the environment that is measured.
//!
//! To prepare the cloud in another way: a method of [`Emulator`].

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use quill_admin_testkit::healthy::{Healthy, REGISTRY, SECRET};
use quill_admin_testkit::home::{Home, environments};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::Database;
use quill_admin_testkit::relay::Relay;
use serde_json::{Value, json};

use super::programs::{program, text};

pub(super) const PROJECT: &str = "quill-medical-bench";
pub(super) const JOB: &str = "projects/quill-medical-bench/locations/europe-west2/jobs/quill-tasks-bench";
/// The delay of every request, at the cloud and at the registry.
pub(super) const REQUEST: Duration = Duration::from_millis(100);

/// The emulator as a program of its own.
pub(super) struct Emulator {
    process: Child,
    url: String,
    control_token: String,
}

impl Emulator {
    pub(super) fn start() -> anyhow::Result<Self> {
        let executor = program("quill-admin-executor")?;
        let image = format!("quill/tasks={}", text(&executor)?);
        Self::start_with(&["--log-reads-per-minute", "100000", "--image", &image])
    }

    pub(super) fn start_with(args: &[&str]) -> anyhow::Result<Self> {
        let mut process = Command::new(program("cloud-emulator")?)
            // The host name is valid for the port of a relay, too.
            .args(["--listen", "127.0.0.1:0", "--host", "127.0.0.1"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the emulator")?;
        let (mut url, mut token) = (String::new(), String::new());
        let mut output = BufReader::new(process.stdout.take().context("no output")?);
        output.read_line(&mut url)?;
        output.read_line(&mut token)?;
        Ok(Self { process, url: url.trim().to_owned(), control_token: token.trim().to_owned() })
    }

    /// The time at which the latest execution was completed.
    pub(super) fn completed(&self) -> anyhow::Result<Timestamp> {
        let executions = self.ask("GET", &format!("/v2/{JOB}/executions"), &Value::Null)?;
        executions["executions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|execution| execution["completionTime"].as_str()?.parse().ok())
            .max()
            .context("no execution is completed")
    }

    /// A home with an environment at this emulator, with its images at a registry.
    pub(super) fn home(&self, registry: &str) -> anyhow::Result<Home> {
        let home = Home::new();
        let environments = environments().replace("{region}-docker.pkg.dev", registry);
        let (before, _) =
            environments.split_once("environments:").context("environments.yaml has no environments")?;
        let environment = format!("bench: {{ project: {PROJECT}, endpoint: \"{}\" }}", self.url);
        home.write("environments.yaml", &format!("{before}environments:\n  {environment}\n"));
        Ok(home)
    }

    /// Puts a relay in front of the emulator that counts the connections of an environment.
    pub(super) fn counted(&self, home: &Home) -> anyhow::Result<Relay> {
        let relay = Relay::to(self.url.strip_prefix("http://").context("the emulator printed no address")?);
        home.write("environments.yaml", &home.read("environments.yaml").replace(&self.url, &relay.url()));
        Ok(relay)
    }

    /// Puts an environment; the job reaches the database, where there is one.
    pub(super) fn put(&self, healthy: &Healthy, database: Option<&Database>) -> anyhow::Result<()> {
        for (path, what) in healthy.puts() {
            self.ask("PUT", &path, &what)?;
        }
        let Some(database) = database else { return Ok(()) };
        let secret = format!("/emulator/secrets/projects/{PROJECT}/secrets/{SECRET}");
        self.ask("PUT", &secret, &json!({"value": database.password}))?;
        self.ask("PUT", &format!("/emulator/resources/{JOB}"), &healthy.job_on(database)).map(drop)
    }

    /// Puts a job whose tasks run these steps.
    pub(super) fn put_scripted_job(&self, steps: &[Value]) -> anyhow::Result<()> {
        self.put(&Healthy::new("bench", REGISTRY), None)?;
        self.ask("PUT", &format!("/emulator/scripts/{JOB}"), &json!({"steps": steps})).map(drop)
    }

    /// The calls so far, in the order in which they came in.
    pub(super) fn calls(&self) -> anyhow::Result<Vec<Value>> {
        let mut calls = self.ask("GET", "/emulator/calls", &Value::Null)?;
        serde_json::from_value(calls["calls"].take()).context("no calls")
    }

    /// Sends one request.
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let address = self.url.strip_prefix("http://").context("the emulator printed no address")?;
        let request = Request::new(method, path).header("Emulator-Token", &self.control_token);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.try_send(address)?;
        ensure!(answer.status == 200, "{method} {path}: {answer:?}");
        Ok(serde_json::from_str(&answer.body)?)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The emulator's state need not be saved.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The last line of a scripted task.
pub(super) fn result_line(exit_code: u8) -> Value {
    let user = json!({
        "username": "bench", "email": "bench@example.org", "permission": "patient",
        "base_profession": "patient", "roles": [], "active": true, "totp_enabled": false
    });
    let outcome = match exit_code {
        0 => json!({"result": "unchanged", "user": user, "changes": []}),
        _ => json!({"result": "failed", "failure": {"message": "measured"}}),
    };
    let line = json!({"quill_admin": {"contract": 1, "exit_code": exit_code, "outcome": outcome}});
    json!({"log": {"line": line.to_string()}})
}

/// The time at which the first call of a kind came in, by the emulator's clock.
pub(super) fn time_of(calls: &[Value], wanted: impl Fn(&str) -> bool) -> anyhow::Result<Duration> {
    let call = calls.iter().find(|call| call["path"].as_str().is_some_and(&wanted));
    let received = call.and_then(|call| call["receivedNs"].as_u64()).context("a call is missing")?;
    Ok(Duration::from_nanos(received))
}
