//! The live log of an execution, which is opened again when it breaks.

use std::future::pending;
use std::time::Duration;

use quill_admin_cloud::{ExecutionName, Google, LogEntry, LogTail};
use tokio::time::{Instant, sleep_until};

use crate::patience::is_final;

/// The number of times that the live log is opened again, each time after twice the previous pause.
const REOPENINGS: u32 = 5;
const FIRST_REOPENING: Duration = Duration::from_millis(500);

/// The live log, opened again when it breaks.
pub(super) struct Live<'a> {
    google: &'a Google,
    name: &'a ExecutionName,
    tail: Option<LogTail<'a>>,
    failures: u32,
    reopen: Option<Instant>,
}

impl<'a> Live<'a> {
    pub(super) fn new(google: &'a Google, name: &'a ExecutionName, tail: Option<LogTail<'a>>) -> Self {
        Self { google, name, tail, failures: 0, reopen: None }
    }

    /// Whether the live log is open, so that entries may come.
    pub(super) fn is_open(&self) -> bool {
        self.tail.is_some()
    }

    /// The proxy it goes through, if one is set.
    pub(super) fn proxy(&self) -> Option<&'static str> {
        self.google.log_proxy()
    }

    /// The next entries, or the reason why there is no live log any more. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Vec<LogEntry>, String> {
        let tail = loop {
            match (&mut self.tail, self.reopen) {
                (Some(tail), _) => break tail,
                (None, Some(at)) => {
                    sleep_until(at).await;
                    self.tail = Some(self.google.tail_log(&self.name.job).await);
                }
                (None, None) => pending().await,
            }
        };
        let (passes, why) = match tail.next().await {
            Some(Ok(mut entries)) => {
                // The live log is of the job: others may run it at the same time.
                entries.retain(|entry| entry.execution == self.name.id);
                return Ok(entries);
            }
            Some(Err(error)) => (!is_final(&error), error.to_string()),
            None => (true, "the live log has ended".to_owned()),
        };
        self.tail = None;
        self.failures += 1;
        self.reopen = (passes && self.failures <= REOPENINGS)
            .then(|| Instant::now() + FIRST_REOPENING * 2_u32.pow(self.failures - 1));
        Err(why)
    }
}
