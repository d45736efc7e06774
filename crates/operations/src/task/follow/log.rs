//! The entries of an execution's log, each taken in once, and the result and rows among them.
//!
//! To take something else from the lines of the log: a function beside `take_row` and `take_saving`, and its call in
//! `take_one`.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use quill_admin_cloud::{LogEntry, LogSource};
use quill_admin_contract::{Asked, Claim, Row, Saving, Warning};
use serde_json::Value;
use tokio::time::Instant;

use crate::events::Event;
use crate::session::Session;
use crate::task::row_results::RowResults;
use crate::task::rows::Rows;

const LONGEST_LINGER: Duration = Duration::from_secs(5);

/// The log as far as it has been taken in.
#[derive(Default)]
pub(super) struct Log {
    /// Whether everything is shown, also what the result tells again.
    pub(super) whole: bool,
    /// The request; `None` for a job of the application, which tells no result.
    pub(super) asked: Option<Asked>,
    pub(super) seen: HashSet<(Timestamp, String)>,
    /// The results that can be answers to the request, each once.
    pub(super) claims: Vec<Claim>,
    /// The time at which the first result that counts was taken in, and its delay.
    pub(super) result_came: Option<(Instant, Duration)>,
    /// Whether that result says that all went well.
    pub(super) succeeds: bool,
    /// The least and the greatest lateness of the lines so far.
    pub(super) lateness: Option<(Duration, Duration)>,
    pub(super) system: Vec<String>,
    /// The rows of a list that the log has brought.
    pub(super) rows: Rows,
    /// The results of the rows of a bulk run that the log has brought.
    pub(super) row_results: RowResults,
}

impl Log {
    /// Takes in the entries that were there at a moment; returns whether any was new.
    pub(super) fn take(&mut self, entries: Vec<LogEntry>, at: Instant, session: &Session) -> bool {
        let before = self.seen.len();
        for entry in entries {
            self.take_one(entry, at, session);
        }
        self.seen.len() > before
    }

    fn take_one(&mut self, entry: LogEntry, at: Instant, session: &Session) {
        if !self.seen.insert((entry.timestamp, entry.insert_id.clone())) {
            return;
        }
        if entry.source == LogSource::Container {
            let (least, most) = self.lateness.unwrap_or((entry.lateness, entry.lateness));
            self.lateness = Some((least.min(entry.lateness), most.max(entry.lateness)));
        }
        let warned = self.asked.is_some() && spoken(&entry).and_then(Warning::code_of).is_some();
        let is_in_the_report =
            self.take_row(&entry) || self.take_saving(&entry) || self.take_claim(&entry, at) || warned;
        self.tell_rows(session);
        match entry.source {
            LogSource::Container if self.whole || !is_in_the_report => session.emit(Event::Log(entry)),
            LogSource::System if self.whole => session.emit(Event::Log(entry)),
            LogSource::System => self.system.push(entry.message),
            LogSource::Container | LogSource::Other => {}
        }
    }

    /// Takes a row from a line; returns whether the line has the shape of a row. One that does not belong to
    /// the list is counted and not shown: it may hold a row's values, which are shown completely or not at
    /// all.
    fn take_row(&mut self, entry: &LogEntry) -> bool {
        let Some(asked) = &self.asked else { return false };
        let found = spoken(entry).and_then(|payload| Row::from_payload(payload, asked.key.as_ref()));
        found.is_some_and(|found| {
            self.rows.take(found, asked);
            true
        })
    }

    /// Takes the word that a row is about to be saved; returns whether the line is one.
    fn take_saving(&mut self, entry: &LogEntry) -> bool {
        let key =
            self.asked.as_ref().filter(|asked| asked.rows.is_some()).and_then(|asked| asked.key.as_ref());
        let saving = key.and_then(|key| Saving::from_payload(spoken(entry)?, key));
        saving.is_some_and(|saving| {
            self.row_results.begins(saving);
            true
        })
    }

    /// Tells how many rows of a bulk run have come, where that has changed.
    fn tell_rows(&mut self, session: &Session) {
        if let Some(of) = self.asked.as_ref().and_then(|asked| asked.rows)
            && let Some(come) = self.row_results.news()
        {
            session.emit(Event::Rows { come, of });
        }
    }

    /// Whether rows that the result counts have not come.
    pub(super) fn lacks_rows(&self) -> bool {
        self.rows.are_missing() || self.row_results.are_missing()
    }

    /// Takes the result from a line, if it holds one; returns whether it counts. The line itself is not taken
    /// in.
    pub(super) fn take_claim(&mut self, entry: &LogEntry, at: Instant) -> bool {
        let Some(asked) = &self.asked else { return false };
        let key = asked.key.as_ref();
        let Some(claim) = spoken(entry)
            .and_then(|payload| Claim::from_payload(payload, key))
            .filter(|claim| asked.may_be_answered_by(&claim.line))
        else {
            return false;
        };
        // Where a result can be proven, one without proof does not count: its line is shown like others.
        let counts = claim.proven || key.is_none();
        if claim.line.row_number.is_some() {
            if counts {
                self.row_results.take(claim);
            }
            return counts;
        }
        if counts {
            self.succeeds = claim.line.exit_code == 0;
            self.result_came.get_or_insert((at, entry.lateness));
            self.rows.expect(&claim.line.outcome);
            self.row_results.expect(&claim.line.outcome);
        }
        if !self.claims.contains(&claim) {
            self.claims.push(claim);
        }
        counts
    }

    /// The moment after which no line is expected any more. The result line was written last, but an earlier
    /// line may be taken in after it, a little later than any line so far.
    pub(super) fn settled(&self) -> Option<Instant> {
        let (came, late) = self.result_came?;
        let (least, most) = self.lateness.unwrap_or_default();
        let latest = most.saturating_sub(least) * 5 / 4;
        Some(came + latest.saturating_sub(late.saturating_sub(least)).min(LONGEST_LINGER))
    }
}

/// The structured payload of an entry that the container itself has written.
fn spoken(entry: &LogEntry) -> Option<&Value> {
    entry.payload.as_ref().filter(|_| entry.source == LogSource::Container)
}
