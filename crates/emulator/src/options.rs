//! The settings of an emulator, and the choices that it has where the behaviour of Google Cloud is not documented.
//!
//! To add one: its field and its default in [`Options`], its method in `builder.rs`, and its flag in `main.rs`.

use std::time::Duration;

use crate::api_error::ApiError;

/// The end of the operation of a cancelled run. It is not documented: both ends have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CancelledRun {
    /// With a response, the execution, and no error.
    #[default]
    Response,
    /// With an error, as a failed run.
    Error,
}

/// The answer of the Cloud SQL Admin API for an instance that does not exist: both have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingSqlInstance {
    /// 404, `instanceDoesNotExist`.
    #[default]
    NotFound,
    /// 403, `notAuthorized`: the same as for a caller who may not see it.
    NotAuthorized,
}

/// The answer of Cloud Logging for a log bucket that does not exist. It is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingLogBucket {
    /// 404.
    #[default]
    NotFound,
    /// 403: the same as for a caller who may not see it.
    Denied,
}

impl MissingLogBucket {
    pub(crate) fn error(self, bucket: &str) -> ApiError {
        let id = bucket.rsplit('/').next().unwrap_or_default();
        match self {
            Self::NotFound => ApiError::not_found(format!("Bucket `{id}` does not exist")),
            Self::Denied => {
                ApiError::denied(format!("Permission denied on '{bucket}' (or it may not exist)"))
            }
        }
    }
}

/// The answer of Cloud Logging to a caller who reads a project's log and may not read private logs
/// (`logging.privateLogEntries.list`). It is not documented for queries that ask for such logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PrivateLogs {
    /// Entries of private logs are left out.
    #[default]
    LeftOut,
    /// 403, where the query names a private log.
    Denied,
}

/// The words of the audit log's entry about the start of a job on the execution. They are not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AuditedStarts {
    /// Its name, in the answer of the call.
    #[default]
    Named,
    /// Nothing.
    Unnamed,
}

/// The choices of one emulator; its builder documents each.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) provisioning_delay: Duration,
    pub(crate) grace: Duration,
    pub(crate) log_delay: Duration,
    pub(crate) log_reads_per_minute: u32,
    /// The number of days for which the log of a project is kept.
    pub(crate) log_retention_days: u32,
    pub(crate) missing_log_bucket: MissingLogBucket,
    pub(crate) private_logs: PrivateLogs,
    pub(crate) audited_starts: AuditedStarts,
    pub(crate) log_tails_per_project: u32,
    pub(crate) end_tail_with_requests: bool,
    /// A seed, and how late entries can be.
    pub(crate) shuffle_entries: Option<(u64, Duration)>,
    /// A seed.
    pub(crate) duplicate_entries: Option<u64>,
    pub(crate) cancelled_run: CancelledRun,
    pub(crate) unsaid_time_outs: bool,
    pub(crate) run_changes_etag: bool,
    pub(crate) missing_sql_instance: MissingSqlInstance,
    pub(crate) token: Option<String>,
    pub(crate) token_lifetime: Duration,
    pub(crate) caller: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            provisioning_delay: Duration::ZERO,
            grace: Duration::from_secs(10),
            log_delay: Duration::ZERO,
            log_reads_per_minute: 60,
            log_retention_days: 30,
            missing_log_bucket: MissingLogBucket::default(),
            private_logs: PrivateLogs::default(),
            audited_starts: AuditedStarts::default(),
            log_tails_per_project: 10,
            end_tail_with_requests: false,
            shuffle_entries: None,
            duplicate_entries: None,
            cancelled_run: CancelledRun::default(),
            unsaid_time_outs: false,
            run_changes_etag: false,
            missing_sql_instance: MissingSqlInstance::default(),
            token: None,
            token_lifetime: Duration::from_hours(1),
            caller: "emulator@localhost".to_owned(),
        }
    }
}
