//! [`Emulator`], the handle of a running emulator: its owner, such as a test, puts resources into it, plants faults,
//! reads the recorded calls, and ends it.
//!
//! To add a function for the owner: a method here, and its call in `control.rs` and in the README, for owners in
//! another process. To add a kind of resource: `seed.rs` and `Saved` in `store.rs`, then a `put_…` method here. To
//! add a setting of the start: `builder.rs`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::calls::RecordedCall;
use crate::clock::Clock;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::faults::Fault;
use crate::names::is_child;
use crate::outcome::{Rule, ServiceOutcome};
use crate::script::Script;
use crate::secrets::SecretVersionState;
use crate::store::State;

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

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Emulator {
    /// Makes the handle of an emulator whose server has been started, and its writer of the state file, if it has
    /// one.
    pub(crate) fn new(
        cloud: Arc<Cloud>,
        address: SocketAddr,
        server: JoinHandle<io::Result<()>>,
        writer: Option<JoinHandle<Result<(), Error>>>,
    ) -> Self {
        Self { cloud, address, server: Some(server), writer }
    }

    /// The endpoint, such as `http://127.0.0.1:43210`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that calls of the control API, below `/emulator/`, need in the header
    /// `emulator-token`. It is another one in each emulator.
    #[must_use]
    pub fn control_token(&self) -> &str {
        self.cloud.guard.token()
    }

    /// The present resource of this name, in the API's JSON with every default: a job, a service or any other
    /// resource that can be put into the emulator; `None` where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        self.cloud.get(name)
    }

    /// A job's executions, in the API's JSON, in the order of their names.
    #[must_use]
    pub fn executions(&self, job: &str) -> Vec<Value> {
        self.cloud.store.read(|state| {
            let own = |name: &&String| is_child(name, job, "executions");
            let executions = &state.saved.executions;
            executions.keys().filter(own).map(|name| executions[name].clone()).collect()
        })
    }

    /// Sets the clock that answers tell (the header `Date`) so far ahead of this machine's, or behind it.
    /// The times of resources stay this machine's.
    pub fn set_clock_ahead(&self, by: SignedDuration) {
        self.cloud.store.change(|state| state.clock = Clock::ahead(by));
    }

    /// Lets answers no longer tell the time: their `Date` says nothing.
    pub fn hide_clock(&self) {
        self.cloud.store.change(|state| state.clock = Clock::untold());
    }

    /// Waits until nothing is under way: no execution, no deployment, and no call that is to be carried
    /// out late.
    pub async fn idle(&self) {
        let idle = |state: &State| state.running.is_empty() && state.late == 0;
        self.cloud.store.wait_for(|state| idle(state).then_some(())).await;
    }

    /// Puts a job there, as a create call would, replacing one of that name.
    ///
    /// `job` is the API's JSON; what it leaves out gets the server's defaults.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_job(&self, name: &str, job: Value) -> Result<(), Error> {
        self.cloud.put(name, &job)
    }

    /// Puts a service there, in the API's JSON, with whatever state it says.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_service(&self, name: &str, service: Value) -> Result<(), Error> {
        self.cloud.put(name, &service)
    }

    /// Puts a revision there, in the API's JSON, with whatever state it says.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_revision(&self, name: &str, revision: Value) -> Result<(), Error> {
        self.cloud.put(name, &revision)
    }

    /// Describes a project, in Resource Manager's JSON. A project exists also when something was put
    /// into it.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_project(&self, id: &str, project: Value) -> Result<(), Error> {
        self.cloud.put(&format!("projects/{id}"), &project)
    }

    /// Puts a Cloud SQL instance there, in the API's JSON; what it leaves out, such as its state and
    /// its connection name, is that of a healthy instance.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_sql_instance(&self, project: &str, name: &str, instance: Value) -> Result<(), Error> {
        self.cloud.put(&format!("projects/{project}/instances/{name}"), &instance)
    }

    /// Puts the authorities there that an instance lists for its server's certificate, in the API's JSON
    /// (`certs`, `activeVersion`). Without it an instance lists its own `serverCaCert`, or none.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_server_cas(&self, project: &str, name: &str, list: Value) -> Result<(), Error> {
        self.cloud.put(&format!("projects/{project}/instances/{name}/serverCas"), &list)
    }

    /// Puts a log bucket there, in the API's JSON: by default one that keeps entries for 30 days. The name is
    /// `projects/P/locations/L/buckets/B`.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_log_bucket(&self, name: &str, bucket: Value) -> Result<(), Error> {
        self.cloud.put(name, &bucket)
    }

    /// Puts a sink of log entries there, in the API's JSON. What comes in from then on and matches its filter is
    /// in the bucket of its `destination`, too. The name is `projects/P/sinks/S`.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_log_sink(&self, name: &str, sink: Value) -> Result<(), Error> {
        self.cloud.put(name, &sink)
    }

    /// Puts an Artifact Registry repository there, in the API's JSON: by default one for Docker.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_repository(&self, name: &str, repository: Value) -> Result<(), Error> {
        self.cloud.put(name, &repository)
    }

    /// Puts an image into a repository, in the API's JSON. The name ends with the digest:
    /// `…/repositories/R/dockerImages/IMAGE@sha256:…`. Its tags are taken from the image's other
    /// digests.
    ///
    /// # Errors
    ///
    /// Fails if the name or the JSON is none of such a resource; nothing is put there then.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…})")]
    pub fn put_docker_image(&self, name: &str, image: Value) -> Result<(), Error> {
        self.cloud.put(name, &image)
    }

    /// Puts a log entry there, in the API's JSON; times and insert id are filled in.
    ///
    /// # Errors
    ///
    /// Fails if the JSON is no log entry, or names no project; nothing is put there then.
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

    /// Says who may read a secret by its own policy, as IAM names them, such as `serviceAccount:` and an address.
    ///
    /// # Panics
    ///
    /// Panics if there is no such secret.
    pub fn set_secret_readers<'a>(
        &self,
        project: &str,
        name: &str,
        readers: impl IntoIterator<Item = &'a str>,
    ) {
        let readers = readers.into_iter().map(str::to_owned).collect();
        let there = self.cloud.store.change(|state| state.secrets.set_readers(project, name, readers));
        assert!(there, "there is no secret {name} in {project}");
    }

    /// Adds a version to a secret, enabled, and returns its number. It is the secret's `latest`
    /// from now on.
    ///
    /// # Errors
    ///
    /// Fails if there is no such secret.
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
    ///
    /// # Errors
    ///
    /// Fails if there is no such version, or if it is destroyed, which is for good.
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
    ///
    /// # Errors
    ///
    /// Fails if the JSON is no policy; nothing is put there then.
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
        created: Timestamp,
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
        let rule = Rule { image: None, outcome };
        self.cloud.store.change(|state| state.outcomes.set(service, rule));
    }

    /// Says what becomes of a service's revisions with an image whose name contains a text; it goes
    /// before [`set_service_outcome`](Self::set_service_outcome).
    pub fn set_service_outcome_for_image(
        &self,
        service: &str,
        image_part: impl Into<String>,
        outcome: ServiceOutcome,
    ) {
        let rule = Rule { image: Some(image_part.into()), outcome };
        self.cloud.store.change(|state| state.outcomes.set(service, rule));
    }

    /// Takes these permissions from the caller, and gives all others back: the methods that need one
    /// answer 403, and `TestIamPermissions` leaves it out.
    pub fn deny_permissions(&self, permissions: impl IntoIterator<Item = impl Into<String>>) {
        let denied = permissions.into_iter().map(Into::into).collect();
        self.cloud.store.change(|state| state.denied = denied);
    }

    /// Answers the next so many searches of a log with a page that has no entries, and a token to go on with: a
    /// search that had no time to find anything ("entries.list", `nextPageToken`).
    pub fn set_empty_log_pages(&self, pages: u32) {
        self.cloud.store.change(|state| state.empty_log_pages = pages);
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
    ///
    /// # Errors
    ///
    /// Fails if the state file cannot be written, or if the server has ended by itself.
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
