//! The audit records that the executor wrote to the log. They outlast the executions in Cloud Run, which
//! keeps these for 7 days or 1,000 executions.

use google_cloud_gax::paginator::ItemPaginator as _;
use jiff::Timestamp;

use super::logs::of_job;
use super::{Google, Reply, convert};
use crate::error::CloudError;
use crate::model::{AuditEntry, LogEntry, LogSource};
use crate::names::JobName;

impl Google {
    /// The job's audit records, newest first: log lines of its containers whose payload has an outcome under
    /// `key` and, where one is given, this username there, whatever its case. The log does not prove that a
    /// container wrote them. A call takes one read of the quota for every 1,000 records.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be read.
    pub fn audit_entries<'a>(
        &'a self,
        name: &'a JobName,
        key: &'a str,
        username: Option<&'a str>,
        since: Timestamp,
        limit: usize,
    ) -> Reply<'a, Result<Vec<AuditEntry>, CloudError>> {
        Box::pin(async move {
            let [stdout, stderr] = convert::CONTAINER_LOGS
                .map(|log| format!("logName=\"projects/{}/logs/{log}\"", name.project));
            let mut filter = format!(
                "{} AND ({stdout} OR {stderr}) AND jsonPayload.{key}.outcome.result:* AND timestamp>=\"{since}\"",
                of_job(name)
            );
            if let Some(username) = username {
                let quoted = username.replace('\\', r"\\").replace('"', "\\\"");
                filter = format!("{filter} AND jsonPayload.{key}.username=\"{quoted}\"");
            }
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
                let execution = entry.labels.get(convert::EXECUTION_LABEL).cloned().unwrap_or_default();
                if let Some(LogEntry {
                    timestamp,
                    source: LogSource::Container,
                    payload: Some(payload),
                    ..
                }) = convert::log_entry(entry)
                {
                    entries.push(AuditEntry { execution, timestamp, payload });
                }
            }
            Ok(entries)
        })
    }
}
