//! Reads the records: from the project's own log and, where the environment names one, from the bucket that keeps
//! them for years. The own log has what was run before the bucket was there, and what has not come there.

use jiff::Timestamp;
use quill_admin_cloud::{AuditEntries, AuditEntry, CloudError, Execution, LogBucketName};

use super::filter::Filter;
use crate::config::Records;
use crate::session::Session;

/// A log that could not be read.
#[derive(Debug)]
pub enum UnreadLog {
    /// The log of the project.
    OfProject(CloudError),
    /// The bucket of the records.
    Bucket(LogBucketName, CloudError),
}

/// The records that were found.
pub(super) struct Found {
    /// The records, newest first.
    pub(super) entries: Vec<AuditEntry>,
    /// Whether a log was not searched to its end.
    pub(super) more: bool,
    /// The time of the oldest one that was looked at in such a log, if any was found there.
    pub(super) from: Option<Timestamp>,
    /// The log that could not be read, where the other one could.
    pub(super) unread: Option<UnreadLog>,
}

/// Reads the records that a filter wants. The two logs are read at the same time.
pub(super) async fn records(
    session: &Session,
    filter: &Filter,
    executions: &[Execution],
) -> Result<Found, CloudError> {
    let (google, job) = (session.google(), &session.environment().job);
    let own = google.audit_entries(job, filter.query(executions, None));
    let Some(Records { bucket, .. }) = &session.environment().records else {
        return Ok(Found::of([own.await?], None));
    };
    let kept = google.audit_entries(job, filter.query(executions, Some(bucket.clone())));
    match tokio::join!(own, kept) {
        (Ok(own), Ok(kept)) => Ok(Found::of([own, kept], None)),
        (Ok(own), Err(error)) => Ok(Found::of([own], Some(UnreadLog::Bucket(bucket.clone(), error)))),
        (Err(error), Ok(kept)) => Ok(Found::of([kept], Some(UnreadLog::OfProject(error)))),
        (Err(error), Err(_)) => Err(error),
    }
}

/// The records of rows, and whether both logs could be read to their ends.
pub(super) async fn rows(session: &Session, filter: &Filter) -> (Vec<AuditEntry>, bool) {
    if !filter.rows || filter.user.is_some() {
        return (Vec::new(), true);
    }
    let (google, environment) = (session.google(), session.environment());
    let own = google.audit_entries(&environment.job, filter.rows_query(None));
    let answers = match &environment.records {
        Some(Records { bucket, .. }) => {
            let kept = google.audit_entries(&environment.job, filter.rows_query(Some(bucket.clone())));
            let (own, kept) = tokio::join!(own, kept);
            vec![own, kept]
        }
        None => vec![own.await],
    };
    let all = answers.len();
    let read: Vec<AuditEntries> = answers.into_iter().flatten().collect();
    let whole = read.len() == all && !read.iter().any(|log| log.more);
    (Found::of(read, None).entries, whole)
}

impl Found {
    fn of(logs: impl IntoIterator<Item = AuditEntries>, unread: Option<UnreadLog>) -> Self {
        let logs: Vec<AuditEntries> = logs.into_iter().collect();
        let oldest = |log: &AuditEntries| log.entries.last().map(|entry| entry.timestamp);
        // Cloud Logging may have searched for a while, found nothing yet, and still not be at the end.
        let more = logs.iter().any(|log| log.more);
        let from = logs.iter().filter(|log| log.more).filter_map(oldest).max();
        let mut entries: Vec<AuditEntry> = logs.into_iter().flat_map(|log| log.entries).collect();
        // A record that is in both logs is one record.
        entries.sort_by(|one, other| {
            other.timestamp.cmp(&one.timestamp).then_with(|| one.execution.cmp(&other.execution))
        });
        entries.dedup_by(|one, other| {
            (one.timestamp, &one.execution) == (other.timestamp, &other.execution)
                && one.payload == other.payload
        });
        Self { entries, more, from, unread }
    }
}
