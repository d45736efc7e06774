//! Reads of an execution's log: their pace, their pages and their quota.
//!
//! To change the pace: the constants below. Cloud Logging allows a project 60 reads a minute.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quill_admin_cloud::{CloudError, ExecutionName, Google, LogPage, Reply};
use tokio::time::{Instant, sleep_until};

/// The project's quota of 60 log reads a minute is everybody's: one run takes at most 30.
const READS_A_MINUTE: usize = 30;
/// A little less often than that, so that the reads at the end need not wait.
pub(super) const READ_EVERY: Duration = Duration::from_millis(2100);
/// The longest pause: between reads that bring nothing the live log has not brought, and after
/// refusals.
pub(super) const SLOWEST_READ: Duration = Duration::from_secs(30);
/// Entries arrive late and out of order: every read looks back this far.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

/// The state of the one read that looks at the end of the log before its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Newest {
    Unasked,
    Wanted,
    UnderWay,
    Asked,
}

/// Reads of the log, one after the other.
pub(super) struct Reads<'a> {
    google: &'a Google,
    name: &'a ExecutionName,
    /// The time at which the next read is to begin; `None` as long as there is no need.
    pub(super) due: Option<Instant>,
    pub(super) pause: Duration,
    /// The times at which the last reads began, each page counted separately.
    begun: VecDeque<Instant>,
    under_way: Option<Reply<'a, Result<LogPage, CloudError>>>,
    /// The time at which the read under way, or the last one, began with its first page.
    pub(super) first_page: Instant,
    /// The token of the next page; empty at the beginning of a read.
    pub(super) page: String,
    /// Whether the result is looked for at the end of the log next. That is done once: the pages before it
    /// may be many.
    pub(super) newest_first: Newest,
    /// The newest entry that the read has brought, and whether it has brought any new entry.
    pub(super) newest: Option<Timestamp>,
    pub(super) news: bool,
    /// Entries older than this by more than the overlap have been read.
    pub(super) read_to: Option<Timestamp>,
    /// The error of the last read, if it failed.
    pub(super) failed: Option<CloudError>,
    pub(super) told: Option<String>,
}

impl<'a> Reads<'a> {
    pub(super) fn new(google: &'a Google, name: &'a ExecutionName) -> Self {
        Self {
            google,
            name,
            due: None,
            pause: READ_EVERY,
            begun: VecDeque::new(),
            under_way: None,
            first_page: Instant::now(),
            page: String::new(),
            newest_first: Newest::Unasked,
            newest: None,
            news: false,
            read_to: None,
            failed: None,
            told: None,
        }
    }

    /// The next page, when its time has come. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<LogPage, CloudError> {
        loop {
            if let Some(reply) = &mut self.under_way {
                let page = reply.await;
                self.under_way = None;
                return page;
            }
            let Some(due) = self.due else {
                return pending().await;
            };
            // A minute by their clock is not quite one by ours.
            let minute = Duration::from_secs(61);
            let quota = self.begun.iter().rev().nth(READS_A_MINUTE - 1).map(|begun| *begun + minute);
            sleep_until(quota.map_or(due, |quota| quota.max(due))).await;
            let now = Instant::now();
            if self.newest_first == Newest::Wanted {
                self.newest_first = Newest::UnderWay;
                self.count(now);
                self.under_way = Some(self.google.newest_log_entries(self.name));
                continue;
            }
            if self.page.is_empty() {
                self.first_page = now;
                self.newest = None;
                self.news = false;
            }
            self.count(now);
            let since = self.read_to.map(|read_to| read_to - OVERLAP);
            let page = std::mem::take(&mut self.page);
            self.under_way = Some(self.google.log_entries(self.name, since, page));
        }
    }

    /// Counts a read that begins now.
    fn count(&mut self, now: Instant) {
        self.due = None;
        self.begun.push_back(now);
        if self.begun.len() > READS_A_MINUTE {
            self.begun.pop_front();
        }
    }

    /// Whether the last read began at a moment, or after it.
    pub(super) fn has_begun_since(&self, moment: Instant) -> bool {
        self.begun.back().is_some_and(|begun| *begun >= moment)
    }

    /// Whether no read is due or under way.
    pub(super) fn is_off(&self) -> bool {
        self.due.is_none() && self.under_way.is_none()
    }

    /// Makes a read due as soon as the pace allows: the live log has broken.
    pub(super) fn soon(&mut self) {
        self.pause = READ_EVERY;
        let soon = self.begun.back().map_or_else(Instant::now, |begun| *begun + READ_EVERY);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }
}
