//! Log entries: in pages, and live.

use std::sync::PoisonError;

use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_gax::streaming::{RequestSender, ResponseStream};
use google_cloud_logging_v2::builder::logging_service_v_2::ListLogEntries;
use google_cloud_logging_v2::model::{TailLogEntriesRequest, TailLogEntriesResponse};
use jiff::Timestamp;

use super::policy::Policy;
use super::{Google, Reply, convert};
use crate::error::CloudError;
use crate::model::{LogEntry, LogPage};
use crate::names::{ExecutionName, JobName};

const READ: &str = "read the execution's log";

/// The live log of all executions of a job. Dropping it ends the session.
///
/// Nothing says when it is open, and entries that were taken in before that never come.
pub struct LogTail<'a> {
    streams: Streams,
    policy: &'a Policy,
}

/// A call that is under way, with both its directions.
pub(super) struct Streams {
    // Google may end the session with the caller's side: kept open as long as the other.
    sender: RequestSender<TailLogEntriesRequest>,
    stream: ResponseStream<TailLogEntriesResponse>,
}

impl Google {
    /// Begins to connect for [`tail_log`](Self::tail_log), so that no run waits for it. There is no
    /// session, of which a project has ten, before something is asked for.
    pub fn prepare_log_tail(&self) {
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.connect_log_tail());
    }

    fn connect_log_tail(&self) -> Streams {
        let (sender, stream) = self.logging.tail_log_entries().build();
        Streams { sender, stream }
    }

    /// Opens the live log of a job. Returns at once: a refusal is the first thing the log brings.
    pub fn tail_log<'a>(&'a self, job: &'a JobName) -> Reply<'a, LogTail<'a>> {
        Box::pin(async move {
            let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
            let streams = prepared.unwrap_or_else(|| self.connect_log_tail());
            let request = TailLogEntriesRequest::new()
                .set_resource_names([format!("projects/{}", job.project)])
                .set_filter(of_job(job))
                // `TailLogEntriesRequest.buffer_window`: 0 to 60000 ms, by default 2000, for which
                // every entry is held back to put them in order.
                .set_buffer_window(google_cloud_wkt::Duration::default());
            // Where the stream is closed already, its other side says why.
            let _ = streams.sender.send(request).await;
            LogTail { streams, policy: &self.policy }
        })
    }

    /// A page of the execution's log entries from a moment on, oldest first. One read of the quota,
    /// which everybody in the project shares: 60 a minute.
    pub fn log_entries<'a>(
        &'a self,
        name: &'a ExecutionName,
        since: Option<Timestamp>,
        page: String,
    ) -> Reply<'a, Result<LogPage, CloudError>> {
        Box::pin(async move {
            let request = self.list_entries(name, since).set_page_token(page);
            let page =
                self.policy.poll(request).send().await.map_err(|error| CloudError::new(READ, &error))?;
            Ok(LogPage {
                entries: page.entries.into_iter().filter_map(convert::log_entry).collect(),
                next: page.next_page_token,
            })
        })
    }
}

impl Google {
    /// All of an execution's log, oldest first. One read of the quota for every 1,000 entries.
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
    /// The next entries, in the order of their time. An error, or `None`, is the end of it. Dropping
    /// the future loses nothing.
    #[expect(clippy::should_implement_trait, reason = "an iterator does not wait")]
    pub fn next(&mut self) -> Reply<'_, Option<Result<Vec<LogEntry>, CloudError>>> {
        Box::pin(async move {
            Some(match self.streams.stream.next().await? {
                Ok(answer) => Ok(answer.entries.into_iter().filter_map(convert::log_entry).collect()),
                Err(error) => {
                    self.policy.renew_for_stream(&error);
                    Err(CloudError::new("follow the log live", &error))
                }
            })
        })
    }
}

/// The filter for all that a job has logged ("Cloud Run: View logs").
pub(super) fn of_job(job: &JobName) -> String {
    format!("resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"{}\"", job.job)
}
