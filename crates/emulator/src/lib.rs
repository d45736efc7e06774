//! A local stand-in for the parts of Google Cloud that run Cloud Run jobs: Cloud Run v2 (jobs,
//! executions, tasks, operations, services, revisions) and reading Cloud Logging.
//!
//! ```no_run
//! # async fn example() -> Result<(), cloud_emulator::Error> {
//! use cloud_emulator::{Emulator, ImageProgram, ProcessRunner, Runner};
//!
//! let runner = ProcessRunner::new().image("hello", ImageProgram::new("/bin/echo").arg("hello"));
//! let emulator = Emulator::builder().runner(Runner::Process(runner)).start().await?;
//! emulator.put_job(
//!     "projects/p/locations/europe-west2/jobs/hello",
//!     serde_json::json!({"template": {"template": {"containers": [{"image": "hello"}]}}}),
//! )?;
//! // Official clients reach it with `.with_endpoint(emulator.url())`.
//! emulator.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The README beside this crate lists what is emulated, and the control API under `/emulator/`.

mod api;
mod calls;
mod control;
mod error;
mod execution;
mod faults;
mod filter;
mod logs;
mod names;
mod runner;
mod schema;
mod server;
mod store;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use calls::RecordedCall;
pub use faults::{Fault, FaultAction};
#[cfg(feature = "docker")]
pub use runner::DockerRunner;
pub use runner::{ImageProgram, ProcessRunner, Runner, Script, Step};

use runner::Stop;
use schema::Fields;
use store::{Saved, Store};

/// What keeps the emulator from starting, or from doing what its owner asks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not of this machine.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The state file cannot be read or written.
    #[error("failed to use the state file {}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was to be put into the emulator is not what the API knows.
    #[error("{resource} is not valid: {reason}")]
    Invalid {
        /// The resource's name.
        resource: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no Docker engine, or it does not answer.
    #[cfg(feature = "docker")]
    #[error("failed to reach the Docker engine")]
    Docker(#[source] bollard::errors::Error),
    /// The server ended by an error.
    #[error("the emulator's server failed")]
    Server(#[source] io::Error),
}

/// How the operation of a cancelled run ends, which is not documented: both have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CancelledRun {
    /// With a response, the execution, and no error.
    #[default]
    Response,
    /// With an error, as a failed run.
    Error,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    provisioning_delay: Duration,
    grace: Duration,
    log_delay: Duration,
    log_reads_per_minute: u32,
    cancelled_run: CancelledRun,
    token: Option<String>,
    caller: String,
}

/// Says how an [`Emulator`] is to be. Every part has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    address: SocketAddr,
    runner: Runner,
    state_file: Option<PathBuf>,
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            runner: Runner::Scripted,
            state_file: None,
            options: Options {
                provisioning_delay: Duration::ZERO,
                grace: Duration::from_secs(10),
                log_delay: Duration::ZERO,
                log_reads_per_minute: 60,
                cancelled_run: CancelledRun::default(),
                token: None,
                caller: "emulator@localhost".to_owned(),
            },
        }
    }
}

impl Builder {
    /// Where to listen; by default a free port of 127.0.0.1.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// What runs containers; by default nothing does, see [`Runner::Scripted`].
    pub fn runner(mut self, runner: Runner) -> Self {
        self.runner = runner;
        self
    }

    /// How long an execution takes to start; by default no time.
    pub fn provisioning_delay(mut self, delay: Duration) -> Self {
        self.options.provisioning_delay = delay;
        self
    }

    /// How long a container has between SIGTERM and SIGKILL; by default 10 s, as on Cloud Run.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// How long a log entry takes until reads return it; by default no time.
    pub fn log_delay(mut self, delay: Duration) -> Self {
        self.options.log_delay = delay;
        self
    }

    /// How many reads of its logs a project has in a minute; by default 60, as Cloud Logging.
    pub fn log_reads_per_minute(mut self, reads: u32) -> Self {
        self.options.log_reads_per_minute = reads;
        self
    }

    /// How the operation of a cancelled run ends; by default with a response.
    pub fn cancelled_run(mut self, end: CancelledRun) -> Self {
        self.options.cancelled_run = end;
        self
    }

    /// Refuses every call without this bearer token; by default no call is refused.
    pub fn require_token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// Who the callers are taken for: the `creator` of what they make.
    pub fn caller(mut self, email: impl Into<String>) -> Self {
        self.options.caller = email.into();
        self
    }

    /// Keeps jobs, services, executions, tasks, operations and log entries in a file, so that they
    /// survive a restart. By default nothing is kept.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Starts the emulator on the current tokio runtime.
    pub async fn start(self) -> Result<Emulator, Error> {
        let saved = match &self.state_file {
            Some(path) => {
                store::load(path).map_err(|source| Error::StateFile { path: path.clone(), source })?
            }
            None => Saved::default(),
        };
        let listen = |source| Error::Listen { address: self.address, source };
        let listener = TcpListener::bind(self.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let cloud = Arc::new(Cloud {
            options: self.options,
            runner: self.runner,
            store: Store::new(saved),
            calls: calls::Calls::default(),
            faults: faults::Faults::default(),
            tasks: TaskTracker::new(),
            stop: Stop::default(),
            closing: CancellationToken::new(),
            started: Instant::now(),
        });
        let server = tokio::spawn(server::serve(Arc::clone(&cloud), listener));
        let writer = self.state_file.map(|path| tokio::spawn(write_changes(Arc::clone(&cloud), path)));
        Ok(Emulator { cloud, address, server: Some(server), writer })
    }
}

/// The emulator's inside, shared by the server, the executions and the owner.
pub(crate) struct Cloud {
    options: Options,
    runner: Runner,
    store: Store,
    calls: calls::Calls,
    faults: faults::Faults,
    /// The executions under way.
    tasks: TaskTracker,
    /// Stops every execution, also one that begins later.
    stop: Stop,
    closing: CancellationToken,
    started: Instant,
}

impl Cloud {
    /// Ends every execution, politely or at once, and waits for them.
    async fn end_executions(&self, at_once: bool) {
        self.store.read(|state| {
            for stop in state.running.values() {
                stop.terminate.cancel();
                if at_once {
                    stop.kill.cancel();
                }
            }
        });
        self.store.wait_for(|state| state.running.is_empty().then_some(())).await;
    }

    async fn reset(&self) {
        self.faults.set(Vec::new());
        self.end_executions(true).await;
        self.store.change(|state| *state = store::State::default());
        self.calls.clear();
    }

    fn put(&self, name: &str, resource: &Value) -> Result<(), Error> {
        let invalid = |reason: String| Error::Invalid { resource: name.to_owned(), reason };
        let message = match name.split('/').collect::<Vec<_>>()[..] {
            ["projects", _, "locations", _, "jobs", _] => "Job",
            ["projects", _, "locations", _, "services", _] => "Service",
            ["projects", _, "locations", _, "services", _, "revisions", _] => "Revision",
            _ => {
                return Err(invalid("the name must be that of a job, a service or a revision".to_owned()));
            }
        };
        let mut value = schema::read(message, "", resource, Fields::All).map_err(|violations| {
            let reasons: Vec<String> = violations.into_iter().map(|v| v.description).collect();
            invalid(reasons.join("; "))
        })?;
        if message == "Job" {
            value = api::complete_job(name, value, None, &self.options.caller)
                .map_err(|error| invalid(error.to_string()))?;
        } else {
            complete(name, &mut value);
        }
        self.store.change(|state| {
            let place = match message {
                "Job" => &mut state.saved.jobs,
                "Service" => &mut state.saved.services,
                _ => &mut state.saved.revisions,
            };
            place.insert(name.to_owned(), value);
        });
        Ok(())
    }

    fn put_log_entry(&self, entry: &Value) -> Result<(), Error> {
        let invalid = |reason: String| Error::Invalid { resource: "the log entry".to_owned(), reason };
        let value = schema::read("LogEntry", "", entry, Fields::All).map_err(|violations| {
            let reasons: Vec<String> = violations.into_iter().map(|v| v.description).collect();
            invalid(reasons.join("; "))
        })?;
        let Value::Object(entry) = value else {
            return Err(invalid("it is not an object".to_owned()));
        };
        if !entry.contains_key("logName") {
            return Err(invalid("it has no logName".to_owned()));
        }
        self.store.change(|state| {
            let timestamp = state.entry_time();
            state.add_entry(logs::finish(entry, timestamp, self.options.log_delay));
        });
        Ok(())
    }
}

/// What every service and revision has and a test does not care for.
fn complete(name: &str, resource: &mut Value) {
    let now = jiff::Timestamp::now();
    let etag = names::etag(name, now);
    resource["name"] = json!(name);
    let defaults = [
        ("uid", json!(uuid::Uuid::new_v4())),
        ("generation", json!("1")),
        ("observedGeneration", json!("1")),
        ("createTime", json!(now.to_string())),
        ("updateTime", json!(now.to_string())),
        ("launchStage", json!("GA")),
        ("etag", json!(etag)),
    ];
    for (field, value) in defaults {
        if resource.get(field).is_none() {
            resource[field] = value;
        }
    }
}

/// Writes the state after every change; changes during a write are written together after it.
async fn write_changes(cloud: Arc<Cloud>, path: PathBuf) -> Result<(), Error> {
    let mut changes = cloud.store.changes();
    loop {
        let last = tokio::select! {
            _ = changes.changed() => false,
            () = cloud.closing.cancelled() => true,
        };
        changes.borrow_and_update();
        let written = write_state(&cloud, &path).await;
        if last {
            return written;
        }
        // A failed write is tried again with the next change, and reported by the last one.
        drop(written);
    }
}

async fn write_state(cloud: &Cloud, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::StateFile { path: path.to_owned(), source };
    let text =
        cloud.store.read(|state| serde_json::to_vec(&state.saved)).map_err(|error| failed(error.into()))?;
    let target = path.to_owned();
    tokio::task::spawn_blocking(move || store::save(&target, &text))
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)
}

/// A running emulator.
///
/// Dropping it ends the server and kills the containers; [`shutdown`](Self::shutdown) lets them
/// end, and writes the state file a last time.
pub struct Emulator {
    cloud: Arc<Cloud>,
    address: SocketAddr,
    server: Option<JoinHandle<io::Result<()>>>,
    writer: Option<JoinHandle<Result<(), Error>>>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Emulator {
    /// The way to a new emulator.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The endpoint, such as `http://127.0.0.1:43210`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a job there, as a create call would, replacing one of that name.
    ///
    /// `job` is the API's JSON; what it leaves out gets the server's defaults.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_job(&self, name: &str, job: Value) -> Result<(), Error> {
        self.cloud.put(name, &job)
    }

    /// Puts a service there, in the API's JSON, with whatever state it says.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_service(&self, name: &str, service: Value) -> Result<(), Error> {
        self.cloud.put(name, &service)
    }

    /// Puts a revision there, in the API's JSON, with whatever state it says.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_revision(&self, name: &str, revision: Value) -> Result<(), Error> {
        self.cloud.put(name, &revision)
    }

    /// Puts a log entry there, in the API's JSON; times and insert id are filled in.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_log_entry(&self, entry: Value) -> Result<(), Error> {
        self.cloud.put_log_entry(&entry)
    }

    /// Gives a secret its value: what containers find in variables that refer to it.
    pub fn put_secret(&self, project: &str, name: &str, value: impl Into<String>) {
        self.cloud.store.change(|state| {
            let key = (project.to_owned(), name.to_owned());
            state.secrets.insert(key, value.into());
        });
    }

    /// Says what the executions of a job do from now on, instead of running its container.
    pub fn set_script(&self, job: &str, script: Script) {
        self.cloud.store.change(|state| state.scripts.insert(job.to_owned(), script));
    }

    /// Replaces the faults; their counts begin anew.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.cloud.faults.set(faults.into_iter().collect());
    }

    /// The calls received so far, in the order in which they came in. Those of the control API
    /// are not among them.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.cloud.calls.all()
    }

    /// Forgets everything: resources, logs, secrets, scripts, faults, calls. Containers are
    /// killed first.
    pub async fn reset(&self) {
        self.cloud.reset().await;
    }

    /// Ends: containers get a SIGTERM and their grace period, then the last state is written.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.cloud.stop.terminate.cancel();
        self.cloud.tasks.close();
        self.cloud.tasks.wait().await;
        self.cloud.closing.cancel();
        if let Some(server) = self.server.take() {
            let mut server = AbortOnDrop(server);
            // Idle connections close at once; one in the middle of a request that never comes is
            // not worth waiting for.
            match tokio::time::timeout(Duration::from_secs(1), &mut server.0).await {
                Ok(Ok(end)) => end.map_err(Error::Server)?,
                Ok(Err(panicked)) => return Err(Error::Server(io::Error::other(panicked))),
                Err(_) => {}
            }
        }
        match self.writer.take() {
            Some(writer) => writer.await.map_err(|panicked| Error::Server(io::Error::other(panicked)))?,
            None => Ok(()),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.cloud.closing.cancel();
        self.cloud.stop.kill.cancel();
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
