//! The state of a run for many rows: the known results of its rows, the rows that come next, and the report at its
//! end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use quill_admin_actions::{Action, Digest};
use quill_admin_cloud::{Job, JobName};
use quill_admin_operations::actions;
use quill_admin_operations::each::parts;
use quill_admin_operations::each::{Journal, Known, Row};
use quill_admin_operations::error::CliError;
use quill_admin_operations::session::Session;
use quill_admin_operations::task::run::Prepared;
use quill_admin_operations::task::run_outcome::Run;

use super::super::task::TaskOptions;
use crate::report::{EachReport, GOES_ON, Reporter};

/// A run for many rows.
pub(super) struct Bulk {
    pub(super) name: String,
    pub(super) action: &'static Action,
    pub(super) job: JobName,
    pub(super) options: TaskOptions,
    pub(super) max_errors: Option<u64>,
}

/// The state of a run for many rows.
pub(super) struct Standing<'a> {
    pub(super) session: &'a Session,
    pub(super) bulk: &'a Bulk,
    pub(super) journal: Journal,
    /// The file that keeps it from the first start on; `None` for a dry run.
    pub(super) path: Option<PathBuf>,
    /// The rows that were run by this command. They are not run again by it.
    pub(super) tried: BTreeSet<u64>,
    /// The plans of the rows that were previewed.
    pub(super) plans: BTreeMap<u64, Digest>,
    /// The job as it was when its plan was shown.
    pub(super) agreed: Option<Job>,
    /// The first part, for which the job was read with the plan.
    pub(super) ready: Option<Prepared<'a>>,
    /// The runs of this command, for what they tell of rows.
    pub(super) runs: Vec<Run>,
}

impl<'a> Standing<'a> {
    /// A run of which this command has done nothing yet.
    pub(super) fn new(session: &'a Session, bulk: &'a Bulk, journal: Journal, path: Option<PathBuf>) -> Self {
        Self {
            session,
            bulk,
            journal,
            path,
            tried: BTreeSet::new(),
            plans: BTreeMap::new(),
            agreed: None,
            ready: None,
            runs: Vec::new(),
        }
    }

    /// The rows to run next.
    pub(super) fn next(&self) -> Result<Option<quill_admin_contract::Bulk>, CliError> {
        let most = self.bulk.max_errors.map(|most| most.saturating_sub(self.failed()));
        parts::next(&self.journal, actions::of_this_run(), &self.tried, &self.plans, most)
    }

    /// The number of rows that are left.
    pub(super) fn left(&self) -> usize {
        let is_done = |row: &&Row| self.journal.known(row.row).is_some_and(Known::is_done);
        self.journal.rows().iter().filter(|row| !self.bulk.options.writes || !is_done(row)).count()
    }

    /// The number of rows that this command has run and that have failed.
    pub(super) fn failed(&self) -> u64 {
        let fails = |row: &&u64| self.journal.known(**row).is_some_and(|known| !known.is_done());
        self.tried.iter().filter(fails).count() as u64
    }

    pub(super) fn is_too_much(&self) -> bool {
        self.bulk.max_errors.is_some_and(|most| self.failed() > most)
    }

    /// Takes in a part that is over. It stays open where its log may still bring something, unless this is the `last`
    /// time that it is read: whoever goes on reads it again.
    pub(super) fn over(&mut self, run: Run, rows: &[u64], last: bool) -> Result<(), CliError> {
        let known = parts::known_of(&run, rows, last);
        let is_settled = last || run.told_all_rows() || run.never_began();
        self.runs.push(run);
        if is_settled { self.journal.ends(known) } else { self.journal.notes(known) }
    }

    /// The end of a run that an error has broken off: the error, or, where rows were run before it, what became of
    /// them.
    pub(super) fn broken_off(&self, reporter: &Reporter, mut error: CliError) -> Result<u8, CliError> {
        if self.runs.is_empty() {
            return Err(error.hint(GOES_ON));
        }
        // The words of a start that knows of nothing before it.
        for message in &mut error.messages {
            *message = message.replace("nothing was started", "nothing more was started");
        }
        Ok(self.report(reporter, Some(&error)))
    }

    pub(super) fn told<'s>(&'s self, runs: &'s [Run]) -> EachReport<'s> {
        EachReport {
            environment: self.session.environment(),
            action: self.bulk.action,
            journal: &self.journal,
            runs,
            previews: false,
            error: None,
        }
    }

    pub(super) fn report(&self, reporter: &Reporter, error: Option<&CliError>) -> u8 {
        let previews = self.runs.last().is_some_and(Run::is_preview);
        reporter.each(&EachReport { previews, error, ..self.told(&self.runs) })
    }
}
