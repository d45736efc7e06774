//! Reads the log of executions: in pages, and live.
//!
//! To change which entries are read: [`of_job`], and the filter of the method. The quota of reads is shared by the
//! whole project.

use std::sync::PoisonError;

use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_logging_v2::builder::logging_service_v_2::ListLogEntries;
use google_cloud_logging_v2::model::TailLogEntriesRequest;
use jiff::Timestamp;

use super::policy::Policy;
use super::streams::Streams;
use super::{Google, Reply, convert};
use crate::error::{CloudError, CloudErrorKind};
use crate::model::{LogEntry, LogPage};
use crate::names::{ExecutionName, JobName};

const READ: &str = "read the execution's log";
const FOLLOW: &str = "follow the log live";

/// The live log of all executions of a job. Dropping it ends the session.
/// Nothing tells when the session is open, and entries that were taken in before that never come.
pub struct LogTail<'a> {
    /// The streams; or the variable that names a proxy, through which a live log does not work.
    streams: Result<Streams, Option<&'static str>>,
    policy: &'a Policy,
}

impl std::fmt::Debug for LogTail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogTail").finish_non_exhaustive()
    }
}

impl Google {
    /// Begins to connect to Cloud Logging, for the live log and for pages, so that no run waits for it. A
    /// session of the live log, of which a project has ten, is not opened yet.
    pub fn prepare_log(&self) {
        if self.log_proxy.is_none() {
            *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.connect_log_tail());
        }
        if let Some(address) = self.log_apart.clone() {
            let wire = self.wire.clone();
            tokio::spawn(async move { wire.open(address).await });
        }
    }

    /// The variable that names a proxy for the way to Cloud Logging: there is no live log then, and the log
    /// is polled instead. Google's gRPC client does not support proxies.
    #[must_use]
    pub fn log_proxy(&self) -> Option<&'static str> {
        self.log_proxy
    }

    fn connect_log_tail(&self) -> Streams {
        let (sender, stream) = self.logging.tail_log_entries().build();
        Streams { sender, stream }
    }

    /// Opens the live log of a job. Returns at once: a refusal is the first item that the log yields.
    pub fn tail_log<'a>(&'a self, job: &JobName) -> Reply<'a, LogTail<'a>> {
        let (project, filter) = (format!("projects/{}", job.project), of_job(job));
        Box::pin(async move {
            if let Some(variable) = self.log_proxy {
                return LogTail { streams: Err(Some(variable)), policy: &self.policy };
            }
            let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
            let streams = prepared.unwrap_or_else(|| self.connect_log_tail());
            let request = TailLogEntriesRequest::new()
                .set_resource_names([project])
                .set_filter(filter)
                // `TailLogEntriesRequest.buffer_window`: 0 to 60000 ms, by default 2000, for which
                // every entry is held back to put them in order.
                .set_buffer_window(google_cloud_wkt::Duration::default());
            // If the stream is closed already, its other side gives the reason.
            let _ = streams.sender.send(request).await;
            LogTail { streams: Ok(streams), policy: &self.policy }
        })
    }

    /// A page of the execution's log entries from a moment on, oldest first. A call takes one read of the
    /// quota, which the whole project shares: 60 a minute.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be read.
    pub fn log_entries<'a>(
        &'a self,
        name: &'a ExecutionName,
        since: Option<Timestamp>,
        page: String,
    ) -> Reply<'a, Result<LogPage, CloudError>> {
        Box::pin(async move { self.page(self.list_entries(name, since).set_page_token(page)).await })
    }

    /// The last page of the execution's log entries, newest first, without reading those before it. A call
    /// takes one read of the quota.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be read.
    pub fn newest_log_entries<'a>(
        &'a self,
        name: &'a ExecutionName,
    ) -> Reply<'a, Result<LogPage, CloudError>> {
        Box::pin(async move { self.page(self.list_entries(name, None).set_order_by("timestamp desc")).await })
    }

    async fn page(&self, request: ListLogEntries) -> Result<LogPage, CloudError> {
        let page = self.policy.poll(request).send().await.map_err(|error| CloudError::new(READ, &error))?;
        Ok(LogPage {
            entries: page.entries.into_iter().filter_map(convert::log_entry).collect(),
            next: page.next_page_token,
        })
    }
}

impl Google {
    /// The whole log of an execution, oldest first. A call takes one read of the quota for every 1,000
    /// entries.
    ///
    /// # Errors
    ///
    /// Fails if a page of the log cannot be read.
    pub fn whole_log<'a>(&'a self, name: &'a ExecutionName) -> Reply<'a, Result<Vec<LogEntry>, CloudError>> {
        Box::pin(async move {
            let mut items = self.policy.read(self.list_entries(name, None)).by_item();
            let mut entries = Vec::new();
            while let Some(entry) = items.next().await {
                let entry = entry.map_err(|error| CloudError::new(READ, &error))?;
                entries.extend(convert::log_entry(entry));
            }
            Ok(entries)
        })
    }

    fn list_entries(&self, name: &ExecutionName, since: Option<Timestamp>) -> ListLogEntries {
        let mut filter =
            format!("{} AND labels.\"{}\"=\"{}\"", of_job(&name.job), convert::EXECUTION_LABEL, name.id);
        if let Some(since) = since {
            filter = format!("{filter} AND timestamp>=\"{since}\"");
        }
        self.logging
            .list_log_entries()
            .set_resource_names([format!("projects/{}", name.job.project)])
            .set_filter(filter)
            .set_order_by("timestamp asc")
            .set_page_size(1000)
    }
}

impl LogTail<'_> {
    /// The next entries, in the order of their time. An error, or `None`, ends the log. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    ///
    /// The inner result is an error if the session is refused or broken off, or if a proxy is in the way.
    #[expect(clippy::should_implement_trait, reason = "an iterator does not wait")]
    pub fn next(&mut self) -> Reply<'_, Option<Result<Vec<LogEntry>, CloudError>>> {
        Box::pin(async move {
            let streams = match &mut self.streams {
                Ok(streams) => streams,
                // The variable is reported once; after that the log has ended.
                Err(variable) => {
                    let variable = variable.take()?;
                    let message = format!(
                        "a live log does not go through the proxy of {variable}: Google's gRPC client knows no proxies"
                    );
                    return Some(Err(CloudError::of(CloudErrorKind::Invalid, FOLLOW, message)));
                }
            };
            Some(match streams.stream.next().await? {
                Ok(answer) => Ok(answer.entries.into_iter().filter_map(convert::log_entry).collect()),
                Err(error) => {
                    self.policy.renew_for_stream(&error);
                    Err(CloudError::new(FOLLOW, &error))
                }
            })
        })
    }
}

/// The filter for all log entries of a job ("Cloud Run: View logs"). It names the region, because another
/// region of the project may have a job of the same name.
pub(super) fn of_job(job: &JobName) -> String {
    format!(
        "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"{}\" AND resource.labels.location=\"{}\"",
        job.job, job.region
    )
}
