//! The entries of the audit log about who started the job, read from the bucket of the records and from the project's
//! log.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use quill_admin_cloud::{StartEntries, StartEntry};

use crate::config::Records;
use crate::session::Session;

/// The longest time between the start of a task and its record.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// The time by which the clocks of two services may be apart.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// The time before the period for which starts are read, too: the oldest one shows from when on they were recorded.
const BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The starts of the job that the audit log tells of.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The entries that name an execution, by its id.
    by_execution: BTreeMap<String, StartEntry>,
    /// The times of the entries that name none.
    unnamed: Vec<Timestamp>,
    /// The time from which on starts are known to be recorded and read: that of the oldest entry.
    from: Option<Timestamp>,
    /// The reason why neither log could be read.
    pub(super) unread: Option<String>,
}

impl Starts {
    /// Reads the starts since a time, and some from before. Where a log cannot be read, the other one has to do: a
    /// person may be allowed to read one of the two.
    pub(super) async fn read(session: &Session, since: Timestamp) -> Self {
        let environment = session.environment();
        if !environment.outlives_us() {
            return Self::default();
        }
        let since = since.checked_sub(BEFORE).unwrap_or(since);
        let (google, job) = (session.google(), &environment.job);
        let own = google.starts(job, since, None);
        let answers = match &environment.records {
            Some(Records { bucket, .. }) => {
                let (own, kept) = tokio::join!(own, google.starts(job, since, Some(bucket)));
                vec![kept, own]
            }
            None => vec![own.await],
        };
        let (read, failed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        let unread = read.is_empty().then(|| failed.into_iter().find_map(Result::err)).flatten();
        let starts = Self::of(read.into_iter().flatten());
        Self { unread: unread.map(|error| error.to_string()), ..starts }
    }

    pub(super) fn of(read: impl IntoIterator<Item = StartEntries>) -> Self {
        let mut starts = Self::default();
        let mut seen = BTreeSet::new();
        for StartEntries { entries, .. } in read {
            for entry in entries {
                starts.from =
                    starts.from.map_or(Some(entry.timestamp), |from| Some(from.min(entry.timestamp)));
                if entry.executions.is_empty() && seen.insert(entry.timestamp) {
                    starts.unnamed.push(entry.timestamp);
                }
                for execution in &entry.executions {
                    starts.by_execution.insert(execution.clone(), entry.clone());
                }
            }
        }
        starts
    }

    /// The entry about an execution.
    pub(super) fn get(&self, execution: &str) -> Option<&StartEntry> {
        self.by_execution.get(execution)
    }

    /// All executions that entries name.
    pub(super) fn executions(&self) -> impl Iterator<Item = (&String, &StartEntry)> {
        self.by_execution.iter()
    }

    /// Whether the start of a run that ended at this time would be among them: starts were recorded by then, and no
    /// entry that names no execution may be about it.
    pub(super) fn would_have(&self, ended: Timestamp) -> bool {
        let may_be = |time: &Timestamp| *time <= ended + APART && *time > ended - LONGEST;
        self.reach(ended - LONGEST) && !self.unnamed.iter().any(may_be)
    }

    /// Whether starts were recorded, and can be read, from this time on.
    pub(super) fn reach(&self, time: Timestamp) -> bool {
        self.from.is_some_and(|from| from <= time)
    }
}
