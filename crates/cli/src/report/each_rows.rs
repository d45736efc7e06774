//! What became of the rows of a run for many rows: the outcome of each, their counts, and the exit code of all.
//!
//! To add an outcome of a row: where `rows` finds it, and its count in [`RowCounts`].

use std::collections::BTreeMap;

use quill_admin_actions::Action;
use quill_admin_cloud::{Ending, Phase, TaskResult};
use quill_admin_contract::{Claim, ExitCode, Outcome};
use quill_admin_operations::config::Environment;
use quill_admin_operations::each::{Journal, NOT_BEGUN, Row, UNKNOWN};
use quill_admin_operations::error::CliError;
use quill_admin_operations::task::row_results::RowResults;
use quill_admin_operations::task::run_outcome::{Run, RunOutcome};

use super::ending;

/// A run for many rows.
#[derive(Debug)]
pub struct EachReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The action.
    pub action: &'a Action,
    /// The rows, and what is known of them.
    pub journal: &'a Journal,
    /// The executions of this command.
    pub runs: &'a [Run],
    /// Whether it was a preview, which changes nothing.
    pub previews: bool,
    /// The error that has broken off the run after rows were run, where one has.
    pub error: Option<&'a CliError>,
}

/// What is known of one row.
pub(super) struct RowReport<'a> {
    pub(super) row: &'a Row,
    /// The outcome in one word.
    pub(super) outcome: String,
    pub(super) exit_code: Option<u8>,
    pub(super) message: Option<String>,
    /// Its result, where this command has seen it.
    pub(super) claim: Option<&'a Claim>,
    pub(super) execution: Option<String>,
}

impl<'a> EachReport<'a> {
    /// What is known of each row, from the executions of this command and from the journal.
    pub(super) fn rows(&self) -> Vec<RowReport<'a>> {
        let mut claims: BTreeMap<u64, (&'a Claim, &'a str)> = BTreeMap::new();
        for run in self.runs {
            let results = run.row_results.iter().flat_map(RowResults::iter);
            claims.extend(results.map(|(row, claim)| (row, (claim, run.execution.name.id.as_str()))));
        }
        let journal = self.journal;
        let of = |row: &'a Row| {
            let known = journal.known(row.row);
            // What the journal has of a later execution counts more.
            let counts =
                |execution: &str| self.previews || known.is_none_or(|known| known.execution == execution);
            if let Some((claim, execution)) = claims.get(&row.row).filter(|(_, execution)| counts(execution))
            {
                let outcome = &claim.line.outcome;
                let message = match outcome {
                    Outcome::Failed { failure } => Some(failure.message.clone()),
                    _ => None,
                };
                let is_unknown = matches!(outcome, Outcome::Failed { failure } if failure.undecided);
                let (name, code) =
                    if is_unknown { (UNKNOWN, None) } else { (outcome.name(), Some(claim.line.exit_code)) };
                let execution = Some((*execution).to_owned());
                return RowReport {
                    row,
                    outcome: name.to_owned(),
                    exit_code: code,
                    message,
                    claim: Some(claim),
                    execution,
                };
            }
            match known {
                Some(known) => RowReport {
                    row,
                    outcome: known.outcome.clone(),
                    exit_code: known.exit_code,
                    message: known.message.clone(),
                    claim: None,
                    execution: Some(known.execution.clone()),
                },
                None => RowReport {
                    row,
                    outcome: if journal.may_be_done(row.row) { UNKNOWN } else { NOT_BEGUN }.to_owned(),
                    exit_code: None,
                    message: None,
                    claim: None,
                    execution: None,
                },
            }
        };
        journal.rows().iter().map(of).collect()
    }

    /// The last execution, where it did not tell a result of its own.
    fn broken_off(&self) -> Option<&'a Run> {
        let tells = |run: &Run| match &run.outcome {
            RunOutcome::Reported(told) => matches!(told.claim.line.outcome, Outcome::Each { .. }),
            _ => false,
        };
        self.runs.last().filter(|run| !tells(run))
    }

    /// Why results of rows are missing, or are not those that the run has counted.
    fn lack(&self) -> Option<String> {
        self.runs.last().and_then(|run| run.row_results.as_ref()?.lack())
    }

    pub(super) fn exit_code(&self, rows: &[RowReport<'_>]) -> u8 {
        let contradicted =
            self.runs.last().is_some_and(|run| matches!(run.outcome, RunOutcome::Contradicted { .. }));
        if self.lack().is_some() || contradicted || rows.iter().any(|row| row.outcome == UNKNOWN) {
            ExitCode::Unknown.code()
        } else if rows.iter().all(|row| row.exit_code == Some(ExitCode::Success.code())) {
            ExitCode::Success.code()
        } else if let Some(error) = self.error {
            error.code.code()
        } else if let Some(run) = self.broken_off() {
            // A run that ended well without its result has done something.
            match run.exit_code() {
                0 => ExitCode::Unknown.code(),
                code => code,
            }
        } else {
            self.stopped().unwrap_or(ExitCode::RowsFailed).code()
        }
    }

    /// How the last execution was stopped, where it was: it has told what became of the rows until then.
    pub(super) fn stopped(&self) -> Option<ExitCode> {
        match &self.runs.last()?.execution.phase {
            Phase::Ended(Ending::Cancelled { .. }) => Some(ExitCode::Cancelled),
            Phase::Ended(Ending::Failed { reason }) if TaskResult::words_of_a_time_out(reason) => {
                Some(ExitCode::TimedOut)
            }
            _ => {
                let rows = self.rows();
                let stopped = rows.iter().any(|row| row.exit_code == Some(ExitCode::Stopped.code()));
                stopped.then_some(ExitCode::Cancelled)
            }
        }
    }

    /// Why not all rows were run, where that is not told row by row.
    pub(super) fn reason(&self) -> Option<String> {
        let stopped = self.stopped().map(|code| format!("the execution was stopped: {}", code.meaning()));
        let error = self.error.map(ToString::to_string);
        self.lack().or(error).or_else(|| self.broken_off().and_then(reason)).or(stopped)
    }
}

/// The number of rows of each kind.
#[derive(Default)]
pub(super) struct RowCounts {
    pub(super) done: usize,
    /// Those of them that an earlier command has done.
    pub(super) before: usize,
    pub(super) failed: usize,
    pub(super) unknown: usize,
    pub(super) not_begun: usize,
}

impl RowCounts {
    pub(super) fn of(rows: &[RowReport<'_>]) -> Self {
        let mut count = Self::default();
        for row in rows {
            count.before += usize::from(row.exit_code == Some(0) && row.claim.is_none());
            *match (row.outcome.as_str(), row.exit_code) {
                (UNKNOWN, _) => &mut count.unknown,
                (NOT_BEGUN, _) => &mut count.not_begun,
                (_, Some(0)) => &mut count.done,
                _ => &mut count.failed,
            } += 1;
        }
        count
    }
}

/// Why an execution did not tell the result of all rows.
fn reason(run: &Run) -> Option<String> {
    match &run.outcome {
        // What the executor says of a request that it does not take.
        RunOutcome::Reported(told) => match &told.claim.line.outcome {
            Outcome::Failed { failure } => Some(failure.message.clone()),
            _ => None,
        },
        // A container that was stopped has rolled back one row; those before it are done.
        RunOutcome::Cancelled { .. } | RunOutcome::TimedOut { .. } => {
            let how = match &run.outcome {
                RunOutcome::Cancelled { .. } => "was cancelled",
                _ => "ran into the job's time-out",
            };
            let rows = if run.never_began() { "; no row was begun" } else { "" };
            Some(format!("execution {} {how}{rows}", run.execution.name.id))
        }
        outcome => Some(ending::ended(outcome, &run.execution.name.id)),
    }
}
