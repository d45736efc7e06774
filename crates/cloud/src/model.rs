//! What the rest of the program knows of Google Cloud.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use google_cloud_run_v2::model::condition::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CloudError;
use crate::names::ExecutionName;

/// A Cloud SQL instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInstance {
    /// Its address in the VPC network, where it has one.
    pub private_ip: Option<String>,
    /// As the API names it: `RUNNABLE`, `MAINTENANCE`, `FAILED` …
    pub state: String,
    /// Its owner has stopped it, which its state does not tell.
    pub stopped: bool,
    /// Which connections it takes.
    pub ssl_mode: SslMode,
    /// As the API names it, such as `POSTGRES_15`.
    pub version: String,
    /// Who signs its certificate.
    pub ca_mode: CaMode,
    /// The certificate of the authority that signs its certificate, in PEM; with a shared one, all of the chain. The
    /// API may leave it out.
    pub server_ca: Option<String>,
    /// The name that its certificate is for, where the API tells one.
    pub dns_name: Option<String>,
}

/// Who signs the certificate of a Cloud SQL instance (`settings.ipConfiguration.serverCaMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaMode {
    /// An authority of the instance's own, which signs nothing else: whom the certificate names does not matter.
    OwnCa,
    /// An authority that signs for others, too: the certificate has to name the instance.
    SharedCa,
    /// Something that came after this program.
    Unknown,
}

/// An authority that signs an instance's certificate, or will, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCa {
    /// Its certificate, in PEM.
    pub pem: String,
    /// Whether it signs the certificate that the instance shows now; `None` where the API does not tell which does.
    pub active: Option<bool>,
}

/// Which connections a Cloud SQL instance takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// All: encrypted or not.
    AllowUnencrypted,
    /// Encrypted ones only.
    EncryptedOnly,
    /// Encrypted ones only, of a client that shows a certificate of the instance's.
    ClientCertificate,
    /// Something that came after this program.
    Unknown,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its number, by which many services call it.
    pub number: String,
    /// Whether it is in use: not if it is about to be deleted.
    pub active: bool,
}

/// Whether starting a job is recorded by Cloud Audit Logs, as far as the project says: what a folder
/// or the organisation sets is not told by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLogging {
    /// Writes of data, of which starting a job is one, are recorded.
    pub writes: bool,
    /// Whose are not, as in `user:steve@example.org`.
    pub exempt: Vec<String>,
}

/// A version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    /// Its number, also where `latest` was asked for.
    pub number: String,
    /// Whether it can be read.
    pub state: SecretVersionState,
}

/// Whether a version of a secret can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretVersionState {
    /// Yes.
    Enabled,
    /// Not until it is enabled again.
    Disabled,
    /// Never again.
    Destroyed,
    /// Something that came after this program.
    Unknown,
}

/// The lock that keeps a second Terraform from the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLock {
    /// Which one it is, of all that there have been: what is removed is this one and no later one. It
    /// is also what `terraform force-unlock` asks for.
    pub generation: i64,
    /// When it was taken, by Cloud Storage's clock.
    pub created: Timestamp,
    /// When it was looked at, by Cloud Storage's clock, to the second; `None` if the answer does not say
    /// (the header `Date`).
    pub seen: Option<Timestamp>,
    /// The same by this machine's clock.
    pub seen_here: Timestamp,
    /// What Terraform wrote into it; `None` if that cannot be read. It is a lock all the same.
    pub info: Option<LockInfo>,
}

/// What Terraform writes into its lock (`statemgr.LockInfo`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LockInfo {
    /// A UUID. Not what `terraform force-unlock` asks for.
    #[serde(rename = "ID")]
    pub id: String,
    /// Such as `OperationTypeApply`.
    pub operation: String,
    /// More about it; mostly empty.
    pub info: String,
    /// Who holds it: user@host.
    pub who: String,
    /// Of Terraform.
    pub version: String,
    /// When it was taken, by the holder's clock.
    pub created: Option<Timestamp>,
    /// Of the state.
    pub path: String,
}

/// What became of a lock that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is removed.
    Removed,
    /// It was not there any more, and no other is.
    Gone,
    /// Another one is there by now, which was left alone.
    Replaced,
}

/// A Cloud Run service, as it was read.
pub struct Service {
    /// The image of its container, in the newest template.
    pub image: String,
    /// The id of the revision made last.
    pub latest_created: String,
    /// The id of the newest revision that became ready.
    pub latest_ready: String,
    /// Goes up whenever somebody changes it; what Cloud Run itself notes leaves it.
    pub generation: i64,
    /// Cloud Run is still busy with the last change.
    pub reconciling: bool,
    /// Whether all requests are to go to the newest ready revision, whichever that is.
    pub traffic_to_latest: bool,
    /// Where requests do go: ids of revisions, and how many in a hundred.
    pub serving: Vec<(String, i32)>,
    /// Whether the last change came through.
    pub readiness: Readiness,
    /// What Cloud Run says of it, part by part.
    pub conditions: Vec<Condition>,
    pub(crate) raw: Box<google_cloud_run_v2::model::Service>,
}

/// A revision of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its id: what people call its name.
    pub id: String,
    /// The image of its container, as it was given: with a tag or a digest.
    pub image: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it is, or was, ready.
    pub readiness: Readiness,
    /// What Cloud Run says of it, part by part.
    pub conditions: Vec<Condition>,
    /// The port its container is to listen on.
    pub port: i32,
    /// How it is found out that its container is up. `None`: Cloud Run's own way, which gives it 4
    /// minutes to listen.
    pub startup_probe: Option<StartupProbe>,
}

impl Revision {
    /// What Cloud Run says of one part, such as `Ready` or `ContainerHealthy`.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

/// What Cloud Run says of one part of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Which part, such as `Ready`.
    pub kind: String,
    /// How it is; the reason in words.
    pub readiness: Readiness,
    /// The reason in a word, such as `HEALTH_CHECK_CONTAINER_ERROR`; empty where there is none.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// How often a container that starts is asked whether it is up, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupProbe {
    /// From the container's start to the first time.
    pub initial_delay: Duration,
    /// From one time to the next.
    pub period: Duration,
    /// After how many failures it is given up.
    pub failures: u32,
    /// Which port is asked, where the probe says so.
    pub port: Option<i32>,
}

impl StartupProbe {
    /// How long a container has to be up.
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
    /// Not yet.
    Pending,
    /// It failed.
    Failed {
        /// Cloud Run's own words.
        reason: String,
    },
}

impl Readiness {
    /// What the condition that sums up all others says; without one it is not ready yet.
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
    /// The job's etag, from [`Job::etag`](crate::Job::etag): a job that is another by now is not run.
    pub etag: String,
    /// Variables for this run, merged by name over the job's own.
    pub env: Vec<(String, String)>,
    /// How long this run may take, in place of the job's own time-out.
    pub timeout: Option<Duration>,
}

/// Why a run was not started, or is not known to be.
#[derive(Debug)]
pub enum RunError {
    /// Certainly not started.
    NotStarted(CloudError),
    /// The request may have arrived: the answer was lost, or made no sense.
    Unknown(CloudError),
}

/// One execution of a job.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its name.
    pub name: ExecutionName,
    /// How far it is.
    pub phase: Phase,
    /// When it was asked for.
    pub created: Option<Timestamp>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// The account that started it.
    pub creator: String,
    /// The image it runs.
    pub image: String,
    /// How long its task may take.
    pub timeout: Option<Duration>,
    /// Its task was started again after it had failed.
    pub retried: bool,
    /// Where Google's console shows its logs; empty in the emulator.
    pub log_uri: String,
    /// The variables it was started with, of those that a request is made of. Values that are secret
    /// are not among them.
    pub request: BTreeMap<String, String>,
    /// What its result is proven with, where it was given a key.
    pub proof_key: Option<Confidential>,
    /// It was started with a password in clear, which whoever may see it can read.
    pub plaintext_password: bool,
}

/// A text that is not to be printed: no `Display`, and `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Confidential(String);

impl Confidential {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Whoever calls this answers for where it goes.
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

/// How far an execution is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, nothing prepared yet.
    Queued,
    /// The container is being prepared: image, secrets, network.
    Provisioning,
    /// The container runs.
    Running,
    /// Over.
    Ended(Ending),
}

/// How an execution ended, as Cloud Run sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The container exited with 0.
    Succeeded,
    /// It did not, or it never started: the task result tells.
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

/// How the container of a task ended, in its last attempt.
///
/// A result may have neither an exit code nor a signal, only a message: of a container that could not be
/// started, or did not end cleanly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskResult {
    /// The exit code, unless it is 0: the API leaves a 0 out, and so a result of a container that exited
    /// with 0 looks like one that has no exit code at all. Whether it was 0 is for the execution to say.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Cloud Run says that it ran into the task's time-out.
    pub timed_out: bool,
    /// From the start of the task to its end.
    pub length: Option<Duration>,
    /// Cloud Run's own words; empty where it gives none.
    pub message: String,
}

impl TaskResult {
    /// Whether Cloud Run's words mean that a time-out ended it. How a time-out shows is not documented:
    /// both sentences have been seen, in results, conditions and lines of the log.
    #[must_use]
    pub fn words_of_a_time_out(text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        text.contains("timeout was reached") || text.contains("reached the maximum timeout")
    }
}

/// Where a log line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The container's stdout or stderr.
    Container,
    /// Cloud Run itself.
    System,
    /// Cloud Audit Logs, and anything else.
    Other,
}

/// How serious a log line is.
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
    /// Unique among the entries of one timestamp; with it, a repeated entry is known.
    pub insert_id: String,
    /// The id of the execution it is of; empty where the entry does not say.
    pub execution: String,
    /// When the line was written.
    pub timestamp: Timestamp,
    /// How long after that Cloud Logging had it.
    pub lateness: Duration,
    /// Where it came from.
    pub source: LogSource,
    /// How serious it is.
    pub severity: Severity,
    /// The line in words.
    pub message: String,
    /// The whole JSON payload, for structured lines.
    pub payload: Option<Value>,
}

/// A record that the executor left in the log.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// The execution's id.
    pub execution: String,
    /// When it was written: at the end of the task.
    pub timestamp: Timestamp,
    /// The whole JSON payload.
    pub payload: Value,
}

/// Some entries of the log, and where there are more.
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<LogEntry>,
    /// What asks for the next page; empty on the last one.
    pub next: String,
}
