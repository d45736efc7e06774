//! What was run, as the executor recorded it in the log: also what Cloud Run itself has forgotten,
//! which it does after 7 days or 1,000 executions.

use google_cloud_gax::paginator::ItemPaginator as _;
use jiff::Timestamp;

use super::{Google, Reply, convert};
use crate::error::CloudError;
use crate::model::{AuditEntry, LogEntry};
use crate::names::{ExecutionName, JobName};

/// The label that says which execution an entry is of ("Cloud Run: View logs").
const EXECUTION: &str = "run.googleapis.com/execution_name";

impl Google {
    /// The job's audit records, newest first: the entries that have something under `key`. One read
    /// of the quota for every 1,000 of them.
    pub fn audit_entries<'a>(
        &'a self,
        name: &'a JobName,
        key: &'a str,
        since: Timestamp,
        limit: usize,
    ) -> Reply<'a, Result<Vec<AuditEntry>, CloudError>> {
        Box::pin(async move {
            let filter = format!(
                "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"{}\" AND \
                 jsonPayload.{key}.outcome.result:* AND timestamp>=\"{since}\"",
                name.job
            );
            let request = self
                .logging
                .list_log_entries()
                .set_resource_names([format!("projects/{}", name.project)])
                .set_filter(filter)
                .set_order_by("timestamp desc")
                .set_page_size(i32::try_from(limit.clamp(1, 1000)).unwrap_or(1000));
            let mut items = self.policy.read(request).by_item();
            let mut entries = Vec::new();
            while entries.len() < limit
                && let Some(entry) = items.next().await
            {
                let entry = entry.map_err(|error| CloudError::new("read the job's log", &error))?;
                let execution = entry.labels.get(EXECUTION).cloned().unwrap_or_default();
                if let Some(LogEntry { timestamp, payload: Some(payload), .. }) = convert::log_entry(entry) {
                    entries.push(AuditEntry { execution, timestamp, payload });
                }
            }
            Ok(entries)
        })
    }

    /// All of an execution's log, oldest first. One read of the quota for every 1,000 entries.
    pub fn whole_log<'a>(&'a self, name: &'a ExecutionName) -> Reply<'a, Result<Vec<LogEntry>, CloudError>> {
        Box::pin(async move {
            let filter = format!(
                "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"{}\" AND \
                 labels.\"{EXECUTION}\"=\"{}\"",
                name.job.job, name.id
            );
            let request = self
                .logging
                .list_log_entries()
                .set_resource_names([format!("projects/{}", name.job.project)])
                .set_filter(filter)
                .set_order_by("timestamp asc")
                .set_page_size(1000);
            let mut items = self.policy.read(request).by_item();
            let mut entries = Vec::new();
            while let Some(entry) = items.next().await {
                let entry = entry.map_err(|error| CloudError::new("read the execution's log", &error))?;
                entries.extend(convert::log_entry(entry));
            }
            Ok(entries)
        })
    }
}
