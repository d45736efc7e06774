//! A local stand-in for the parts of Google Cloud that run Cloud Run jobs: Cloud Run v2 (jobs,
//! executions, tasks, operations, services, revisions), reading and tailing Cloud Logging, and what
//! describes a job's surroundings: Cloud SQL instances, Artifact Registry's images, secrets,
//! projects, permissions, enabled services, objects of Cloud Storage.
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
mod deployment;
mod error;
mod execution;
mod faults;
mod filter;
mod logs;
mod names;
mod objects;
mod proto;
mod runner;
mod schema;
mod secrets;
mod seed;
mod server;
mod store;
mod tail;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use calls::RecordedCall;
pub use deployment::ServiceOutcome;
pub use faults::{Fault, FaultAction};
#[cfg(feature = "docker")]
pub use runner::DockerRunner;
pub use runner::{ImageProgram, ProcessRunner, Runner, Script, Step};

pub use secrets::SecretVersionState;

use runner::Stop;
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

/// How the Cloud SQL Admin API answers for an instance that is not there: both are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingSqlInstance {
    /// 404, `instanceDoesNotExist`.
    #[default]
    NotFound,
    /// 403, `notAuthorized`: the same as for a caller who may not see it.
    NotAuthorized,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    provisioning_delay: Duration,
    grace: Duration,
    log_delay: Duration,
    log_reads_per_minute: u32,
    log_tails_per_project: u32,
    end_tail_with_requests: bool,
    /// A seed, and how late entries can be.
    shuffle_entries: Option<(u64, Duration)>,
    /// A seed.
    duplicate_entries: Option<u64>,
    cancelled_run: CancelledRun,
    missing_sql_instance: MissingSqlInstance,
    token: Option<String>,
    token_lifetime: Duration,
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
                log_tails_per_project: 10,
                end_tail_with_requests: false,
                shuffle_entries: None,
                duplicate_entries: None,
                cancelled_run: CancelledRun::default(),
                missing_sql_instance: MissingSqlInstance::default(),
                token: None,
                token_lifetime: Duration::from_hours(1),
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

    /// How many tails of log entries a project can have open; by default 10, as Cloud Logging.
    pub fn log_tails_per_project(mut self, tails: u32) -> Self {
        self.options.log_tails_per_project = tails;
        self
    }

    /// Ends a tail of log entries, in good order, when the caller has closed its own side; by default
    /// it goes on. It is not documented which of the two Cloud Logging does.
    pub fn end_tail_with_requests(mut self, end: bool) -> Self {
        self.options.end_tail_with_requests = end;
        self
    }

    /// Makes log entries come late, each by another time up to `within`, and so out of order. The
    /// same seed gives the same times to the first, the second and every further entry.
    pub fn shuffle_entries(mut self, seed: u64, within: Duration) -> Self {
        self.options.shuffle_entries = Some((seed, within));
        self
    }

    /// Makes about a third of the log entries come twice, always the same ones with the same seed:
    /// at once, or `within` later where they are [shuffled](Self::shuffle_entries).
    pub fn duplicate_entries(mut self, seed: u64) -> Self {
        self.options.duplicate_entries = Some(seed);
        self
    }

    /// How the operation of a cancelled run ends; by default with a response.
    pub fn cancelled_run(mut self, end: CancelledRun) -> Self {
        self.options.cancelled_run = end;
        self
    }

    /// How the Cloud SQL Admin API answers for an instance that is not there; by default with 404.
    pub fn missing_sql_instance(mut self, answer: MissingSqlInstance) -> Self {
        self.options.missing_sql_instance = answer;
        self
    }

    /// Refuses every call without this bearer token, or one the emulator has given out; by default
    /// no call is refused.
    pub fn require_token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// How long the tokens the emulator gives out are good for; by default an hour, as Google's.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.token_lifetime = lifetime;
        self
    }

    /// Who the callers are taken for, unless they have a service account's token: the `creator` of
    /// what they make.
    pub fn caller(mut self, email: impl Into<String>) -> Self {
        self.options.caller = email.into();
        self
    }

    /// Keeps jobs, services, executions, tasks, operations, log entries and all other resources but
    /// secrets in a file, so that they survive a restart; a crash can lose what changed in the last moment. By default nothing is
    /// kept.
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
        let tokens = tokens::Tokens::new(self.options.token.clone(), self.options.token_lifetime);
        let opening = TaskTracker::new();
        opening.close();
        let cloud = Arc::new(Cloud {
            tokens,
            options: self.options,
            runner: self.runner,
            store: Store::new(saved),
            calls: calls::Calls::default(),
            faults: faults::Faults::default(),
            sessions: tail::Sessions::default(),
            opening,
            epoch: AtomicU64::new(0),
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
    tokens: tokens::Tokens,
    sessions: tail::Sessions,
    /// The live logs whose first request has not been answered. Closed, so that it can be waited for.
    opening: TaskTracker,
    /// How often everything was forgotten.
    epoch: AtomicU64,
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

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    async fn reset(&self) {
        self.faults.set(Vec::new());
        self.tokens.reset();
        self.end_executions(true).await;
        // Before the change, which wakes up whoever watches the state.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.store.change(|state| *state = store::State::default());
        self.calls.clear();
    }
}

/// Writes the state after every change; changes during a write are written together after it. A
/// large state takes its time, in which nobody else can look at it: so at most a tenth of all time
/// goes there.
async fn write_changes(cloud: Arc<Cloud>, path: PathBuf) -> Result<(), Error> {
    let mut changes = cloud.store.changes();
    loop {
        let last = tokio::select! {
            _ = changes.changed() => false,
            () = cloud.closing.cancelled() => true,
        };
        changes.borrow_and_update();
        let begin = Instant::now();
        let written = write_state(&cloud, &path).await;
        if last {
            return written;
        }
        // A failed write is tried again with the next change, and reported by the last one.
        drop(written);
        tokio::select! {
            () = tokio::time::sleep(begin.elapsed() * 9) => {}
            () = cloud.closing.cancelled() => {}
        }
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

    /// What is there under this name now, in the API's JSON with every default: a job, a service or
    /// anything else that can be put there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        self.cloud.get(name)
    }

    /// A job's executions, in the API's JSON, in the order of their names.
    #[must_use]
    pub fn executions(&self, job: &str) -> Vec<Value> {
        self.cloud.store.read(|state| {
            let own = |name: &&String| api::is_child(name, job, "executions");
            let executions = &state.saved.executions;
            executions.keys().filter(own).map(|name| executions[name].clone()).collect()
        })
    }

    /// Waits until nothing is under way: no execution, no deployment, and no call that is to be carried
    /// out late.
    pub async fn idle(&self) {
        let idle = |state: &store::State| state.running.is_empty() && state.late == 0;
        self.cloud.store.wait_for(|state| idle(state).then_some(())).await;
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

    /// Describes a project, in Resource Manager's JSON. A project exists also when something was put
    /// into it.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_project(&self, id: &str, project: Value) -> Result<(), Error> {
        self.cloud.put(&format!("projects/{id}"), &project)
    }

    /// Puts a Cloud SQL instance there, in the API's JSON; what it leaves out, such as its state and
    /// its connection name, is that of a healthy instance.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_sql_instance(&self, project: &str, name: &str, instance: Value) -> Result<(), Error> {
        self.cloud.put(&format!("projects/{project}/instances/{name}"), &instance)
    }

    /// Puts an Artifact Registry repository there, in the API's JSON: by default one for Docker.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_repository(&self, name: &str, repository: Value) -> Result<(), Error> {
        self.cloud.put(name, &repository)
    }

    /// Puts an image into a repository, in the API's JSON. The name ends with the digest:
    /// `…/repositories/R/dockerImages/IMAGE@sha256:…`. Its tags are taken from the image's other
    /// digests.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_docker_image(&self, name: &str, image: Value) -> Result<(), Error> {
        self.cloud.put(name, &image)
    }

    /// Puts a log entry there, in the API's JSON; times and insert id are filled in.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_log_entry(&self, entry: Value) -> Result<(), Error> {
        self.cloud.put_log_entry(&entry)
    }

    /// Puts a secret there, with this value in its version 1, replacing one of that name:
    /// containers find it in variables that refer to it.
    pub fn put_secret(&self, project: &str, name: &str, value: impl Into<String>) {
        self.cloud.store.change(|state| {
            state.ensure_project(project);
            state.secrets.put(project, name, Some(value.into()));
        });
    }

    /// Puts a secret there that has no version yet, replacing one of that name.
    pub fn put_secret_without_version(&self, project: &str, name: &str) {
        self.cloud.store.change(|state| {
            state.ensure_project(project);
            state.secrets.put(project, name, None);
        });
    }

    /// Adds a version to a secret, enabled, and returns its number. It is the secret's `latest`
    /// from now on.
    pub fn add_secret_version(
        &self,
        project: &str,
        name: &str,
        value: impl Into<String>,
    ) -> Result<usize, Error> {
        let number = self.cloud.store.change(|state| state.secrets.add_version(project, name, value.into()));
        number.ok_or_else(|| Error::Invalid {
            resource: format!("projects/{project}/secrets/{name}"),
            reason: "there is no such secret".to_owned(),
        })
    }

    /// Enables, disables or destroys a version of a secret.
    pub fn set_secret_version_state(
        &self,
        project: &str,
        name: &str,
        version: usize,
        state: SecretVersionState,
    ) -> Result<(), Error> {
        let set = self.cloud.store.change(|all| all.secrets.set_state(project, name, version, state));
        set.map_err(|reason| Error::Invalid {
            resource: format!("projects/{project}/secrets/{name}/versions/{version}"),
            reason,
        })
    }

    /// Sets a project's IAM policy, in the API's JSON: who has which role, which is kept and shown but
    /// not applied, and `auditConfigs`, by which data access is recorded or not.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_iam_policy(&self, project: &str, policy: Value) -> Result<(), Error> {
        self.cloud.put_policy(project, &policy)
    }

    /// Enables or disables a service, such as `run.googleapis.com`, in a project. All are enabled; one
    /// that is not refuses its calls.
    pub fn set_service_enabled(&self, project: &str, service: &str, enabled: bool) {
        self.cloud.set_enabled(project, service, enabled);
    }

    /// Puts a bucket of Cloud Storage there, with nothing in it unless it is there already.
    pub fn put_bucket(&self, bucket: &str) {
        self.cloud.store.change(|state| state.saved.objects.put_bucket(bucket));
    }

    /// Puts an object into a bucket, in place of one of that name, and returns its generation. The
    /// bucket is there from then on.
    pub fn put_object(&self, bucket: &str, name: &str, content: impl Into<Vec<u8>>) -> i64 {
        self.cloud.store.change(|state| state.saved.objects.put(bucket, name, content.into()))
    }

    /// The same for an object that is older: made at this time.
    pub fn put_object_created(
        &self,
        bucket: &str,
        name: &str,
        content: impl Into<Vec<u8>>,
        created: jiff::Timestamp,
    ) -> i64 {
        self.cloud
            .store
            .change(|state| state.saved.objects.put_created(bucket, name, content.into(), created))
    }

    /// Takes an object out of its bucket, if it is there.
    pub fn remove_object(&self, bucket: &str, name: &str) {
        self.cloud.store.change(|state| state.saved.objects.remove(bucket, name));
    }

    /// The generation and the content of an object, if it is there.
    #[must_use]
    pub fn object(&self, bucket: &str, name: &str) -> Option<(i64, Vec<u8>)> {
        self.cloud.store.read(|state| {
            let object = state.saved.objects.get(bucket, name)?;
            Some((object.generation, object.content.clone()))
        })
    }

    /// Says what the executions of a job do from now on, instead of running its container.
    pub fn set_script(&self, job: &str, script: Script) {
        self.cloud.store.change(|state| state.scripts.insert(job.to_owned(), script));
    }

    /// Says what becomes of the revisions that updates of a service make from now on; by default
    /// they are ready at once.
    pub fn set_service_outcome(&self, service: &str, outcome: ServiceOutcome) {
        let rule = deployment::Rule { image: None, outcome };
        self.cloud.store.change(|state| state.set_outcome(service, rule));
    }

    /// Says what becomes of a service's revisions with an image whose name contains a text; it goes
    /// before [`set_service_outcome`](Self::set_service_outcome).
    pub fn set_service_outcome_for_image(
        &self,
        service: &str,
        image_part: impl Into<String>,
        outcome: ServiceOutcome,
    ) {
        let rule = deployment::Rule { image: Some(image_part.into()), outcome };
        self.cloud.store.change(|state| state.set_outcome(service, rule));
    }

    /// Takes these permissions from the caller, and gives all others back: the methods that need one
    /// answer 403, and `TestIamPermissions` leaves it out.
    pub fn deny_permissions(&self, permissions: impl IntoIterator<Item = impl Into<String>>) {
        let denied = permissions.into_iter().map(Into::into).collect();
        self.cloud.store.change(|state| state.denied = denied);
    }

    /// Accepts this bearer token from now on, and none that was accepted before.
    pub fn set_token(&self, token: impl Into<String>) {
        self.cloud.tokens.set(token.into());
    }

    /// Accepts no token that was accepted before: callers have to get a new one from the token
    /// endpoint.
    pub fn expire_tokens(&self) {
        self.cloud.tokens.expire();
    }

    /// Makes the token endpoint refuse refresh tokens with `invalid_grant` and this description, such
    /// as `Token has been expired or revoked.`; none lets it give out tokens again.
    pub fn refuse_refresh(&self, description: Option<&str>) {
        self.cloud.tokens.refuse_refresh(description.map(str::to_owned));
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

    /// Forgets everything: resources, logs, secrets, scripts, outcomes, denied permissions, tokens,
    /// faults, calls. Containers are killed first, and open tails end.
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
