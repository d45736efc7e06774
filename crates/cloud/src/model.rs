//! The resources of Google Cloud as the rest of the program sees them: executions, services, revisions,
//! secrets, locks and log entries.
//!
//! To add a field: here, and in the conversion from the client's type, in `google/convert.rs` or in the file of its
//! calls.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use google_cloud_run_v2::model::condition::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CloudError;
use crate::names::{ExecutionName, LogBucketName};

/// A Cloud SQL instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInstance {
    /// Its address in the VPC network, where it has one.
    pub private_ip: Option<String>,
    /// The state, as the API names it: `RUNNABLE`, `MAINTENANCE`, `FAILED` …
    pub state: String,
    /// Whether its owner has stopped it, which its state does not tell.
    pub stopped: bool,
    /// The connections that it accepts.
    pub ssl_mode: SslMode,
    /// The version, as the API names it, such as `POSTGRES_15`.
    pub version: String,
    /// The kind of authority that signs its certificate.
    pub ca_mode: CaMode,
    /// The certificate of the authority that signs its certificate, in PEM; for a shared one, the whole
    /// chain. The API may leave it out.
    pub server_ca: Option<String>,
    /// The name that its certificate is for, where the API tells one.
    pub dns_name: Option<String>,
}

/// The kind of authority that signs the certificate of a Cloud SQL instance
/// (`settings.ipConfiguration.serverCaMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaMode {
    /// An authority of the instance's own, which signs nothing else: the name in the certificate does not
    /// matter.
    OwnCa,
    /// An authority that signs for others, too: the certificate has to name the instance.
    SharedCa,
    /// The API does not tell, which "is effectively the same" as an authority of the instance's own
    /// (`IpConfiguration.CaMode.CA_MODE_UNSPECIFIED`).
    Untold,
    /// A value that this version does not know.
    Unknown,
}

/// An authority that signs an instance's certificate, will sign it, or did so before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCa {
    /// Its certificate, in PEM.
    pub pem: String,
    /// Whether it signs the instance's present certificate; `None` where the API does not tell which one
    /// does.
    pub active: Option<bool>,
}

/// The connections that a Cloud SQL instance accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// All connections, encrypted or not.
    AllowUnencrypted,
    /// Encrypted connections only.
    EncryptedOnly,
    /// Encrypted connections only, from clients with a certificate of the instance's.
    ClientCertificate,
    /// A value that this version does not know.
    Unknown,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project's number, which many services use as its name.
    pub number: String,
    /// Whether the project is in use, and not about to be deleted.
    pub active: bool,
}

/// Whether Cloud Audit Logs record the start of a job, as far as the project's policy says: it does not show
/// the settings of a folder or the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLogging {
    /// Whether writes of data, of which starting a job is one, are recorded.
    pub writes: bool,
    /// The accounts whose writes are not recorded, as in `user:steve@example.org`.
    pub exempt: Vec<String>,
}

/// A log bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBucket {
    /// The number of days for which it keeps entries.
    pub retention_days: i32,
    /// Whether that can be shortened no more.
    pub locked: bool,
    /// Whether it takes entries: one that is to be deleted does not.
    pub active: bool,
}

/// A sink that routes the log entries of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSink {
    /// Its name.
    pub name: String,
    /// The place that it routes entries to, such as `logging.googleapis.com/projects/P/locations/L/buckets/B`.
    pub destination: String,
    /// The entries that it routes; empty for all.
    pub filter: String,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Its exclusions, which leave entries out of that: the name and the filter of each that is switched on.
    pub exclusions: Vec<(String, String)>,
    /// The account that it writes as; empty where it needs none.
    pub writer: String,
}

/// A member of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, such as `serviceAccount:a@b`.
    pub name: String,
    /// The condition under which it has the role, in the Common Expression Language.
    pub condition: Option<String>,
}

/// A version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    /// Its number, also where `latest` was asked for.
    pub number: String,
    /// Whether the version can be read.
    pub state: SecretVersionState,
}

/// Whether a version of a secret can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretVersionState {
    /// It can be read.
    Enabled,
    /// It cannot be read until it is enabled again.
    Disabled,
    /// It can never be read again.
    Destroyed,
    /// A value that this version does not know.
    Unknown,
}

/// The lock that keeps a second Terraform from changing the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLock {
    /// The generation of the lock's object: only the lock of this generation is removed, and no later one.
    /// `terraform force-unlock` asks for it as well.
    pub generation: i64,
    /// The time when the lock was taken, by Cloud Storage's clock.
    pub created: Timestamp,
    /// The time when the lock was read, by Cloud Storage's clock, to the second; `None` if the answer does
    /// not say (the header `Date`).
    pub seen: Option<Timestamp>,
    /// The time when the lock was read, by this machine's clock.
    pub seen_here: Timestamp,
    /// The content that Terraform wrote; `None` if it cannot be read. The lock holds all the same.
    pub info: Option<LockInfo>,
}

/// The content of Terraform's lock (`statemgr.LockInfo`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LockInfo {
    /// A UUID. `terraform force-unlock` asks for the generation instead.
    #[serde(rename = "ID")]
    pub id: String,
    /// The operation, such as `OperationTypeApply`.
    pub operation: String,
    /// Further information; mostly empty.
    pub info: String,
    /// The holder: user@host.
    pub who: String,
    /// The version of Terraform.
    pub version: String,
    /// The time when the lock was taken, by the holder's clock.
    pub created: Option<Timestamp>,
    /// The path of the state.
    pub path: String,
}

/// The outcome of removing a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The lock was removed.
    Removed,
    /// The lock did not exist any more, and there is no other.
    Gone,
    /// Another lock exists by now; it was not removed.
    Replaced,
}

/// A Cloud Run service, as it was read.
pub struct Service {
    /// The image of the container that gets its requests, in the newest template.
    pub image: String,
    /// The id of the revision made last.
    pub latest_created: String,
    /// The id of the newest revision that became ready.
    pub latest_ready: String,
    /// A number that increases whenever somebody changes the service, but not when Cloud Run notes something.
    pub generation: i64,
    /// Whether Cloud Run still works on the last change.
    pub reconciling: bool,
    /// Whether all requests go to the newest ready revision, whichever that is.
    pub traffic_to_latest: bool,
    /// The revisions that get requests: their ids, and the percentage of requests.
    pub serving: Vec<(String, i32)>,
    /// Whether the last change succeeded.
    pub readiness: Readiness,
    pub(crate) raw: Box<google_cloud_run_v2::model::Service>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// A revision of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The id, which people call the revision's name.
    pub id: String,
    /// The image of the container that gets its requests, as it was given: with a tag or a digest.
    pub image: String,
    /// The time when it was created.
    pub created: Option<Timestamp>,
    /// Whether it is, or was, ready.
    pub readiness: Readiness,
    /// The conditions that Cloud Run reports, one for each part.
    pub conditions: Vec<Condition>,
    /// The port that this container is to listen on.
    pub port: i32,
    /// The probe that finds out whether this container has started. `None`: Cloud Run's default, which gives
    /// it 4 minutes to listen.
    pub startup_probe: Option<StartupProbe>,
}

/// The end of a revision's log.
#[derive(Debug, Clone)]
pub struct RevisionLog {
    /// The entries that were found, oldest first.
    pub entries: Vec<LogEntry>,
    /// How much of the log they are.
    pub extent: LogExtent,
}

/// The part of a log that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogExtent {
    /// All of it.
    Whole,
    /// As many of its last entries as were asked for.
    End,
    /// Less than that: Cloud Logging had not searched all of it when it was asked for the last time. What is
    /// not in these entries may be in the log all the same.
    Part,
}

impl Revision {
    /// The condition of one part, such as `Ready` or `ContainerHealthy`.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

/// The condition of one part of a resource, as Cloud Run reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The name of the part, such as `Ready`.
    pub kind: String,
    /// The state of the part, with the reason in words.
    pub readiness: Readiness,
    /// The reason in a word, such as `HEALTH_CHECK_CONTAINER_ERROR`; empty where there is none.
    pub reason: String,
    /// The time since which the condition holds.
    pub since: Option<Timestamp>,
}

/// The interval and the limit of probes of a container that starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupProbe {
    /// Time from the container's start to the first probe.
    pub initial_delay: Duration,
    /// Time between probes.
    pub period: Duration,
    /// Number of failures after which the container is given up.
    pub failures: u32,
    /// The port that is probed, where the probe names one.
    pub port: Option<i32>,
}

impl StartupProbe {
    /// The time that a container has to start.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.initial_delay + self.period * self.failures
    }
}

/// Whether a revision serves, or a job can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Ready; a retired revision stays so.
    Ready,
    /// Not ready yet.
    Pending,
    /// The revision or job failed.
    Failed {
        /// Cloud Run's own words.
        reason: String,
    },
}

impl Readiness {
    /// Reads the condition that sums up all others; without one the resource is not ready yet.
    pub(crate) fn of(condition: Option<&google_cloud_run_v2::model::Condition>) -> Self {
        match condition {
            Some(condition) if condition.state == State::ConditionSucceeded => Self::Ready,
            Some(condition) if condition.state == State::ConditionFailed => {
                Self::Failed { reason: condition.message.clone() }
            }
            _ => Self::Pending,
        }
    }
}

/// A request to run a job once. Its values may be secret: no `Debug`.
pub struct RunJob {
    /// The job's etag, from [`Job::etag`](crate::Job::etag): a job that has changed since is not run.
    pub etag: String,
    /// Variables for this run, merged by name over the job's own.
    pub env: Vec<(String, String)>,
    /// Time limit of this run, in place of the job's own time-out.
    pub timeout: Option<Duration>,
}

impl std::fmt::Debug for RunJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunJob").finish_non_exhaustive()
    }
}

/// The error that a run was not started, or that it is unknown whether it was.
#[derive(Debug)]
pub enum RunError {
    /// The run was certainly not started.
    NotStarted(CloudError),
    /// The request may have arrived: the answer was lost, or cannot be read.
    Unknown(CloudError),
}

/// One execution of a job.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The name of the execution.
    pub name: ExecutionName,
    /// The phase that it is in.
    pub phase: Phase,
    /// The time when it was requested.
    pub created: Option<Timestamp>,
    /// The time when it started.
    pub started: Option<Timestamp>,
    /// The time when it ended.
    pub completed: Option<Timestamp>,
    /// The account that started it.
    pub creator: String,
    /// The image it runs.
    pub image: String,
    /// Time limit of its task.
    pub timeout: Option<Duration>,
    /// Whether its task was started again after a failure.
    pub retried: bool,
    /// The address of its logs in Google's console; empty in the emulator.
    pub log_uri: String,
    /// The variables of the request that it was started with. Secret values are left out.
    pub request: BTreeMap<String, String>,
    /// The key that its result is proven with, where it was given one.
    pub proof_key: Option<Confidential>,
    /// The number of rows that it was started for, where it was started for many.
    pub rows: Option<u64>,
    /// Whether it was started with a password in clear, which everybody who may read the execution can see.
    pub plaintext_password: bool,
}

/// A text that is not to be printed: no `Display`, and `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Confidential(String);

impl Confidential {
    /// Takes ownership of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. The caller is responsible for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The phase of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Accepted; nothing is prepared yet.
    Queued,
    /// The container is being prepared: image, secrets, network.
    Provisioning,
    /// The container runs.
    Running,
    /// The execution has ended.
    Ended(Ending),
}

/// The ending of an execution, as Cloud Run sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The container exited with 0.
    Succeeded,
    /// The container exited with another code, or never started: the task result tells which.
    Failed {
        /// Cloud Run's own words.
        reason: String,
    },
    /// Somebody cancelled it.
    Cancelled {
        /// Cloud Run's own words.
        reason: String,
    },
}

/// The result of the container of a task, in its last attempt.
///
/// A result may have neither an exit code nor a signal, only a message: that of a container that could not be
/// started, or did not end cleanly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskResult {
    /// The exit code, unless it is 0: the API leaves a 0 out, so that the result of a container that exited
    /// with 0 looks like one without an exit code. Only the execution tells whether it was 0.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether Cloud Run says that it ran into the task's time-out.
    pub timed_out: bool,
    /// Time from the start of the task to its end.
    pub length: Option<Duration>,
    /// Cloud Run's own words; empty where it gives none.
    pub message: String,
}

impl TaskResult {
    /// Whether Cloud Run's words mean that a time-out ended the task. The words are not documented: both
    /// sentences have been seen, in results, conditions and log lines.
    #[must_use]
    pub fn words_of_a_time_out(text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        text.contains("timeout was reached") || text.contains("reached the maximum timeout")
    }
}

/// The source of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The container's stdout or stderr.
    Container,
    /// Cloud Run itself.
    System,
    /// Cloud Audit Logs, and all other sources.
    Other,
}

/// The severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Default, debug, info and notice.
    Info,
    /// Warning.
    Warning,
    /// Error and above.
    Error,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// An id that is unique among the entries of one timestamp; repeated entries are recognised by it.
    pub insert_id: String,
    /// The id of the execution that the entry belongs to; empty where the entry does not say.
    pub execution: String,
    /// The time when the line was written.
    pub timestamp: Timestamp,
    /// Delay until Cloud Logging received the line.
    pub lateness: Duration,
    /// The source of the line.
    pub source: LogSource,
    /// The severity of the line.
    pub severity: Severity,
    /// The line in words.
    pub message: String,
    /// The whole JSON payload, for structured lines.
    pub payload: Option<Value>,
}

/// An audit record that the executor wrote to the log.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// The execution's id.
    pub execution: String,
    /// The time when it was written: at the end of the task.
    pub timestamp: Timestamp,
    /// The whole JSON payload.
    pub payload: Value,
}

/// The audit records that were found.
#[derive(Debug, Clone, Default)]
pub struct AuditEntries {
    /// The records, newest first.
    pub entries: Vec<AuditEntry>,
    /// Whether there are older ones, which were not read.
    pub more: bool,
}

/// An entry of Cloud Audit Logs that says who started a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartEntry {
    /// The time of the call.
    pub timestamp: Timestamp,
    /// The account that called, as Google Cloud knows it.
    pub account: Option<String>,
    /// The ids of the executions that the entry names: one, or none where it does not say.
    pub executions: Vec<String>,
}

/// The entries of Cloud Audit Logs that were found.
#[derive(Debug, Clone, Default)]
pub struct StartEntries {
    /// The entries, newest first.
    pub entries: Vec<StartEntry>,
    /// Whether there are older ones, which were not read.
    pub more: bool,
}

/// The audit records to read.
#[derive(Debug, Clone)]
pub struct RecordQuery {
    /// The key of the payload under which a record is.
    pub key: &'static str,
    /// Fields of the record with the values that they have to have. The log compares without regard to case.
    pub fields: Vec<(&'static str, String)>,
    /// A field that the record must have, whatever its value is.
    pub with: Option<&'static str>,
    /// A field that the record must not have.
    pub without: Option<&'static str>,
    /// Executions whose records are wanted, whatever the field `actor` is.
    pub or_of: Vec<String>,
    /// The beginning of the period.
    pub since: Timestamp,
    /// The number of executions whose records are enough.
    pub limit: usize,
    /// The bucket to read; the job's project has one of its own, which is read otherwise.
    pub bucket: Option<LogBucketName>,
}

/// A page of log entries, and the token of the next one.
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<LogEntry>,
    /// The token that requests the next page; empty on the last one.
    pub next: String,
}
