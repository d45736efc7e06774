//! Google Cloud in the nouns of quill-admin: jobs, executions, tasks, logs.
//!
//! There is one adapter over Google's own client crates ([`Google`]), one place for time-outs and retries
//! (`google/policy.rs`), and one mapping of errors ([`CloudError`]). There is no second implementation and so
//! no trait: tests run this adapter against the emulator, over HTTP.
//!
//! To add a call: see `google/mod.rs`.
//!
//! It is a crate of its own because the clients are generic code, which would otherwise be compiled
//! again with every edit of the CLI.

mod error;
mod google;
mod job;
mod model;
mod names;
mod permissions;
pub mod role;
mod settings;
mod trust;

pub use error::{CloudError, CloudErrorKind, DisabledService};
pub use google::{
    Credentials, Endpoints, Google, LogTail, Reply, SignIn, SignInOptions, SignInSource, gcloud_program,
};
pub use job::{Job, LastChange};
pub use model::{
    AuditEntries, AuditEntry, AuditLogging, CaMode, Condition, Confidential, DatabaseInstance, Ending,
    Execution, LockInfo, LogBucket, LogEntry, LogExtent, LogPage, LogSink, LogSource, Member, Phase, Project,
    Readiness, RecordQuery, Removal, Revision, RevisionLog, RunError, RunJob, SecretVersion,
    SecretVersionState, ServerCa, Service, Severity, SslMode, StartEntries, StartEntry, StartupProbe,
    StateLock, TaskResult,
};
pub use names::{
    ExecutionName, InvalidName, JobName, LogBucketName, ObjectName, ProjectId, Region, ResourceId,
    ServiceName,
};
pub use permissions::{PERMISSIONS, Permission, Purpose};
pub use settings::{Difference, Egress, EnvValue, JobSettings, SecretProject, SecretRef};
pub use trust::{TrustedHosts, is_loopback, is_on_loopback};

/// Installs ring as this process's TLS provider. The clients are built without one of their own, so
/// this has to be called before the first of them is made; calling it again does nothing.
pub fn install_tls_provider() {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
