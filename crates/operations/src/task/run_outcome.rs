//! The outcome about a task once nothing more will come.
//!
//! It rests on three sources: the executor's result line, Cloud Run's account of the container, and the log,
//! in which others can write, too. A result that the request's key proves stands, unless the container ended
//! by itself with another code. A result that nothing proves is worth as much as the container's exit code
//! that agrees with it.
//!
//! To add a way for a task to end: its variant of [`RunOutcome`], the methods below that match on it, and
//! `report/task.rs` of the command-line program.

use std::time::Duration;

use quill_admin_cloud::{Ending, Execution, TaskResult};
use quill_admin_contract::{Claim, ExitCode, Outcome};

use crate::task::asked::context;
use crate::task::row_results::RowResults;
use crate::task::rows::{Listing, Rows};

/// The end of the container, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TaskEnd {
    /// Cloud Run has a result of the container.
    Seen(TaskResult),
    /// There is no result: no container ever ran, or none was asked for.
    #[default]
    None,
    /// The result could not be read.
    Unknown,
}

/// The end of a run. "The task failed" is one of these; "the cloud failed" is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// The executor reported the outcome in its result line.
    Reported(Box<Reported>),
    /// The container ended, but its result line was not found in the log.
    Silent {
        /// The container's exit code.
        exit_code: u8,
    },
    /// The container of one of the application's jobs ended by itself. It tells no result: its exit code is
    /// all that is known, and only the application knows what the code means.
    Ended {
        /// The container's exit code.
        exit_code: u8,
    },
    /// The sources contradict each other.
    Contradicted {
        /// The contradiction, in words.
        reason: String,
    },
    /// The execution failed, and neither the executor nor Cloud Run could be asked how.
    Unknown {
        /// Cloud Run's reason.
        reason: String,
    },
    /// The container ran, and Cloud Run has neither an exit code nor a signal of it.
    Unclear {
        /// Cloud Run's reason.
        reason: String,
    },
    /// No container ever started.
    NeverStarted {
        /// Cloud Run's reason.
        reason: String,
    },
    /// Somebody cancelled the execution before the task was done.
    Cancelled {
        /// Cloud Run's reason.
        reason: String,
        /// Whether nothing was changed: the executor rolled back, or it never ran.
        undone: bool,
    },
    /// The execution ran into the time-out before the task was done.
    TimedOut {
        /// Whether nothing was changed: the executor rolled back, or it never ran.
        undone: bool,
    },
    /// The container was killed before it could print a result, most often because it was out of memory.
    Killed {
        /// The number of the signal that killed it.
        signal: i32,
    },
}

/// A result that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The result, and whether it is proven.
    pub claim: Claim,
    /// The end of the container of a task that was done, in words, where the container did not end by itself. The
    /// result is printed after COMMIT, so it stands.
    pub afterwards: Option<String>,
}

/// Everything that an outcome is drawn from.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was seen or not")]
pub struct Evidence {
    /// The end of the execution.
    pub ending: Ending,
    /// Whether Cloud Run has seen the execution start.
    pub started: bool,
    /// Whether its task was started again after it had failed.
    pub retried: bool,
    /// The time from the start of the execution to its end.
    pub length: Option<Duration>,
    /// The time-out of its task.
    pub timeout: Option<Duration>,
    /// The end of its container.
    pub task: TaskEnd,
    /// The results in its log that can be answers to the request, each one once.
    pub claims: Vec<Claim>,
    /// Whether the container is our own, which tells a result. A container of the application tells none, and
    /// its exit codes are its own: none of them means that it has rolled back.
    pub tells_result: bool,
    /// Whether the request has a key that is known: then a result without a right proof does not count.
    pub provable: bool,
    /// Whether its log has lines that its container has printed.
    pub spoke: bool,
    /// The lines of Cloud Run itself in its log.
    pub system_log: Vec<String>,
}

impl Evidence {
    /// Makes the evidence that the execution itself gives when it is over.
    #[must_use]
    pub fn of(execution: &Execution, ending: Ending, task: TaskEnd) -> Self {
        let length = execution.started.zip(execution.completed);
        Self {
            ending,
            started: execution.started.is_some(),
            retried: execution.retried,
            length: length.and_then(|(from, to)| Duration::try_from(to.duration_since(from)).ok()),
            timeout: execution.timeout,
            task,
            claims: Vec::new(),
            tells_result: true,
            provable: false,
            spoke: false,
            system_log: Vec::new(),
        }
    }

    fn task(&self) -> Option<&TaskResult> {
        match &self.task {
            TaskEnd::Seen(task) => Some(task),
            TaskEnd::None | TaskEnd::Unknown => None,
        }
    }

    /// The exit code of a container that ended by itself, where Cloud Run has one.
    fn exit_code(&self) -> Option<u8> {
        match self.ending {
            Ending::Succeeded => Some(ExitCode::Success.code()),
            _ => self
                .task()?
                .exit_code
                .map(|code| u8::try_from(code).unwrap_or_else(|_| ExitCode::Unexpected.code())),
        }
    }

    /// Whether the executor was told to stop and has rolled back, according to the container's own code.
    fn rolled_back(&self) -> bool {
        self.tells_result && self.exit_code() == Some(ExitCode::Stopped.code())
    }

    /// Whether a container of the application ended as a program does that is told to stop: its code is 128
    /// and the number of SIGTERM, which Cloud Run sends when the time is over.
    fn died_of_sigterm(&self) -> bool {
        !self.tells_result && self.exit_code() == Some(128 + 15)
    }

    /// Whether a time-out ended it: Cloud Run says so somewhere, or the task was stopped when its time was
    /// over.
    fn timed_out(&self) -> bool {
        let Ending::Failed { reason } = &self.ending else { return false };
        if self.task().is_some_and(|task| task.timed_out) || TaskResult::words_of_a_time_out(reason) {
            return true;
        }
        let stopped = match &self.task {
            TaskEnd::Seen(task) => task.exit_code.is_none() || self.rolled_back() || self.died_of_sigterm(),
            TaskEnd::Unknown => true,
            TaskEnd::None => false,
        };
        let length = self.task().and_then(|task| task.length).or(self.length);
        let whole_time = length.zip(self.timeout).is_some_and(|(length, timeout)| length >= timeout);
        stopped && (whole_time || self.system_log.iter().any(|line| TaskResult::words_of_a_time_out(line)))
    }

    /// Cloud Run's reason: the task's, which is more exact, or else the execution's.
    fn reason(&self) -> String {
        let said = self.task().map(|task| task.message.clone()).filter(|message| !message.is_empty());
        said.unwrap_or_else(|| match &self.ending {
            Ending::Failed { reason } | Ending::Cancelled { reason } => reason.clone(),
            Ending::Succeeded => String::new(),
        })
    }

    /// Whether the container of a failed execution without exit code and signal never ran.
    fn never_ran(&self) -> bool {
        if self.spoke {
            return false;
        }
        let Some(task) = self.task() else { return true };
        let said = task.message.to_ascii_lowercase();
        !self.started
            || ["failed to start", "could not be started", "quota"].iter().any(|words| said.contains(words))
    }

    /// The end of the container of a reported result, in words, where the container did not end by itself.
    fn stopped_by(&self) -> Option<String> {
        match &self.ending {
            Ending::Succeeded => None,
            Ending::Cancelled { .. } => Some("was cancelled".to_owned()),
            Ending::Failed { .. } if self.timed_out() => Some("ran into the job's time-out".to_owned()),
            Ending::Failed { .. } => match self.task().map(|task| (task.exit_code, task.signal)) {
                Some((Some(_), _)) => None,
                Some((None, Some(signal))) => Some(format!("was killed by signal {signal}")),
                _ => Some(format!(
                    "failed: {}",
                    match self.reason() {
                        reason if reason.is_empty() => "Cloud Run gives no reason".to_owned(),
                        reason => reason.trim_end_matches('.').to_owned(),
                    }
                )),
            },
        }
    }

    /// The one proven result, if there is one; two that differ are a contradiction.
    fn proven(&self) -> Result<Option<&Claim>, RunOutcome> {
        let mut proven: Vec<&Claim> = self.claims.iter().filter(|claim| claim.proven).collect();
        if proven.len() > 1 && self.retried {
            // Of several attempts the last one counts, as it does for Cloud Run.
            proven.retain(|claim| self.exit_code() == Some(claim.line.exit_code));
        }
        match proven[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [one, other, ..] => Err(RunOutcome::Contradicted {
                reason: format!("two results that differ are proven: {} and {}", said(one), said(other)),
            }),
        }
    }

    fn with_proven(&self, claim: &Claim) -> RunOutcome {
        let rolled_back = claim.line.exit_code == ExitCode::Stopped.code();
        let stopped_by = self.stopped_by();
        match (&self.ending, self.exit_code()) {
            (Ending::Cancelled { reason }, _) if rolled_back => {
                RunOutcome::Cancelled { reason: reason.clone(), undone: true }
            }
            _ if rolled_back && self.timed_out() => RunOutcome::TimedOut { undone: true },
            // A program that a signal ended has no code of its own: a shell says 128 and the signal's number.
            (_, Some(code)) if code != claim.line.exit_code && (stopped_by.is_none() || code < 128) => {
                RunOutcome::Contradicted {
                    reason: format!(
                        "its proven result is {}, and its container ended with exit code {code}",
                        said(claim)
                    ),
                }
            }
            _ => {
                let afterwards = stopped_by.filter(|_| claim.line.exit_code == ExitCode::Success.code());
                RunOutcome::Reported(Box::new(Reported { claim: claim.clone(), afterwards }))
            }
        }
    }

    fn without_proof(&self) -> RunOutcome {
        let code = self.exit_code();
        if let Some(code) = code
            && let Some(claim) = self.claims.iter().find(|claim| claim.line.exit_code != code)
        {
            return RunOutcome::Contradicted {
                reason: format!(
                    "a result line that nothing proves says {}, and its container ended with exit code {code}",
                    said(claim)
                ),
            };
        }
        match &self.ending {
            Ending::Cancelled { reason } => {
                let undone = self.rolled_back() || (!self.started && self.task == TaskEnd::None);
                return RunOutcome::Cancelled { reason: reason.clone(), undone };
            }
            Ending::Failed { .. } if self.timed_out() => {
                return RunOutcome::TimedOut { undone: self.rolled_back() };
            }
            Ending::Succeeded | Ending::Failed { .. } => {}
        }
        if let Some(code) = code {
            return match &self.claims[..] {
                _ if !self.tells_result => RunOutcome::Ended { exit_code: code },
                [claim] if !self.provable => {
                    RunOutcome::Reported(Box::new(Reported { claim: claim.clone(), afterwards: None }))
                }
                _ => RunOutcome::Silent { exit_code: code },
            };
        }
        let reason = self.reason();
        match &self.task {
            TaskEnd::Unknown => RunOutcome::Unknown { reason },
            TaskEnd::Seen(TaskResult { signal: Some(signal), .. }) => RunOutcome::Killed { signal: *signal },
            TaskEnd::Seen(_) | TaskEnd::None if self.never_ran() => RunOutcome::NeverStarted { reason },
            TaskEnd::Seen(_) | TaskEnd::None => RunOutcome::Unclear { reason },
        }
    }
}

fn said(claim: &Claim) -> String {
    format!("\"{}\" with exit code {}", claim.line.outcome.name(), claim.line.exit_code)
}

impl RunOutcome {
    /// Draws the outcome from the evidence. The result line is printed after COMMIT or ROLLBACK, so a
    /// proven one is the truth about the database.
    #[must_use]
    pub fn draw(evidence: &Evidence) -> Self {
        match evidence.proven() {
            Ok(Some(claim)) => evidence.with_proven(claim),
            Ok(None) => evidence.without_proof(),
            Err(contradicted) => contradicted,
        }
    }

    /// The exit code of the program. The executor's codes pass through unchanged.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Reported(reported) => reported.claim.line.exit_code,
            Self::Silent { exit_code } | Self::Ended { exit_code } => *exit_code,
            Self::NeverStarted { .. } => ExitCode::NeverStarted.code(),
            Self::Cancelled { .. } => ExitCode::Cancelled.code(),
            Self::TimedOut { .. } => ExitCode::TimedOut.code(),
            // It may have been killed between COMMIT and its last line.
            Self::Killed { .. } | Self::Unknown { .. } | Self::Unclear { .. } | Self::Contradicted { .. } => {
                ExitCode::Unknown.code()
            }
        }
    }

    /// The outcome that the executor reported, if it reported one.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Reported(reported) => Some(&reported.claim.line.outcome),
            _ => None,
        }
    }

    /// Whether the result is proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Reported(reported) if reported.claim.proven)
    }

    /// The list that the task reported, made of the rows that have arrived.
    #[must_use]
    pub fn listing(&self, rows: Rows) -> Option<Listing> {
        match self {
            Self::Reported(reported) => rows.listing(Some(&reported.claim.line.outcome)),
            // The container ended well and its result line has not arrived; its rows have, perhaps not all.
            Self::Silent { exit_code: 0 } => rows.listing(None),
            _ => None,
        }
    }

    /// Whether the change may be in the database: it was made, or that is not known.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        match self {
            Self::Reported(reported) => match &reported.claim.line.outcome {
                Outcome::Failed { failure } => failure.undecided,
                Outcome::Previewed { .. } => false,
                _ => true,
            },
            // The executor ends with these codes before there is anything to save, or after a rollback.
            Self::Silent { exit_code } => !matches!(
                ExitCode::from_u8(*exit_code),
                Some(
                    ExitCode::Usage
                        | ExitCode::UserNotFound
                        | ExitCode::RoleNotFound
                        | ExitCode::EmailTaken
                        | ExitCode::DatabaseRefused
                        | ExitCode::SchemaMismatch
                        | ExitCode::RowLocked
                        | ExitCode::ImageTooOld
                        | ExitCode::Stopped
                        | ExitCode::NotAsPreviewed
                )
            ),
            Self::NeverStarted { .. } => false,
            Self::Cancelled { undone, .. } | Self::TimedOut { undone } => !undone,
            Self::Ended { .. }
            | Self::Killed { .. }
            | Self::Unknown { .. }
            | Self::Unclear { .. }
            | Self::Contradicted { .. } => true,
        }
    }
}

/// One run from beginning to end.
#[derive(Debug)]
pub struct Run {
    /// The execution as it was last seen.
    pub execution: Execution,
    /// The outcome about it.
    pub outcome: RunOutcome,
    /// The list that the task has reported, if it lists anything.
    pub listing: Option<Listing>,
    /// The results of the rows, where it was run for many.
    pub row_results: Option<RowResults>,
    /// Whether the last read of its log succeeded.
    pub log_is_whole: bool,
    /// Lines of Cloud Run itself that explain a failure.
    pub system_log: Vec<String>,
}

impl Run {
    /// Whether it was run for many rows, and has told the result of all of them.
    #[must_use]
    pub fn told_all_rows(&self) -> bool {
        let lacks = self.row_results.as_ref().is_none_or(|results| results.lack().is_some());
        matches!(self.outcome.outcome(), Some(Outcome::Each { .. })) && !lacks
    }

    /// Whether its container never ran, so that not one of its rows was begun.
    #[must_use]
    pub fn never_began(&self) -> bool {
        match self.outcome {
            RunOutcome::NeverStarted { .. } => true,
            RunOutcome::Cancelled { undone, .. } => undone && self.execution.started.is_none(),
            _ => false,
        }
    }

    /// The result of a preview: the name of the outcome that the task would have, and the plan.
    #[must_use]
    pub fn previewed(&self) -> Option<(&str, &str)> {
        match self.outcome.outcome() {
            Some(Outcome::Previewed { would, plan, .. }) => Some((would, plan)),
            _ => None,
        }
    }

    /// Whether it was started as a preview, which changes nothing whatever comes of it.
    #[must_use]
    pub fn is_preview(&self) -> bool {
        context(&self.execution).preview
    }

    /// Whether the run ended well, but the list that it reported is not complete.
    #[must_use]
    pub fn lacks_rows(&self) -> bool {
        self.outcome.exit_code() == ExitCode::Success.code()
            && self.listing.as_ref().is_some_and(|listing| listing.rows.is_err())
    }

    /// The exit code of the program. A list that is not complete is no success.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.lacks_rows() { ExitCode::Unknown.code() } else { self.outcome.exit_code() }
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::{ProofKey, ResultLine};
    use serde_json::json;

    use super::*;

    fn claim(code: u8, proven: bool) -> Claim {
        let outcome = match code {
            0 => json!({"result": "rotated"}),
            _ => json!({"result": "failed", "failure": {"message": "because"}}),
        };
        let line = json!({"contract": 2, "exit_code": code, "outcome": outcome});
        let key = ProofKey::generate();
        let mut record = line.clone();
        if proven {
            record[ResultLine::RESULT] = json!(line.to_string());
            record[ResultLine::PROOF] = json!(key.prove(&line.to_string()));
        }
        let claim = Claim::from_payload(&json!({"quill_admin": record}), Some(&key)).expect("a result");
        assert_eq!(claim.proven, proven);
        claim
    }

    fn exited(code: i32) -> TaskEnd {
        TaskEnd::Seen(TaskResult { exit_code: Some(code), ..TaskResult::default() })
    }

    fn killed(signal: i32) -> TaskEnd {
        TaskEnd::Seen(TaskResult { signal: Some(signal), ..TaskResult::default() })
    }

    fn status(message: &str) -> TaskEnd {
        TaskEnd::Seen(TaskResult { message: message.to_owned(), ..TaskResult::default() })
    }

    fn timed_out(end: TaskEnd) -> TaskEnd {
        match end {
            TaskEnd::Seen(task) => TaskEnd::Seen(TaskResult { timed_out: true, ..task }),
            end => end,
        }
    }

    fn failed() -> Ending {
        Ending::Failed { reason: "r".to_owned() }
    }

    fn cancelled() -> Ending {
        Ending::Cancelled { reason: "r".to_owned() }
    }

    fn evidence(ending: Ending, task: TaskEnd, claims: Vec<Claim>, provable: bool) -> Evidence {
        Evidence {
            ending,
            started: true,
            retried: false,
            length: None,
            timeout: None,
            task,
            claims,
            tells_result: true,
            provable,
            spoke: false,
            system_log: Vec::new(),
        }
    }

    fn code(ending: Ending, task: TaskEnd, claims: Vec<Claim>) -> u8 {
        RunOutcome::draw(&evidence(ending, task, claims, true)).exit_code()
    }

    #[test]
    fn every_ending_has_its_own_code() {
        let proven = |code| vec![claim(code, true)];
        assert_eq!(code(failed(), TaskEnd::Unknown, vec![]), 27);
        assert_eq!(code(Ending::Succeeded, TaskEnd::None, vec![]), 0);
        assert_eq!(code(failed(), exited(10), proven(10)), 10);
        assert_eq!(code(failed(), exited(13), vec![]), 13);
        assert_eq!(code(failed(), TaskEnd::None, vec![]), 24);
        assert_eq!(code(cancelled(), TaskEnd::None, vec![]), 25);
        assert_eq!(code(cancelled(), exited(18), proven(18)), 25);
        assert_eq!(code(failed(), timed_out(exited(18)), proven(18)), 26);
        assert_eq!(code(failed(), timed_out(killed(9)), vec![]), 26);
        assert_eq!(code(failed(), killed(9), vec![]), 27);
        assert_eq!(code(failed(), exited(18), proven(18)), 18);
    }

    #[test]
    fn a_failed_execution_is_never_done() {
        for (message, expected) in [
            ("Application failed to start: no such file or directory", 24),
            ("Quota exceeded for total allowable CPU per project per region.", 24),
            ("The container did not exit cleanly.", 27),
            ("", 27),
        ] {
            let mut evidence = evidence(failed(), status(message), vec![], true);
            assert_eq!(RunOutcome::draw(&evidence).exit_code(), expected, "{message}");
            evidence.spoke = true;
            assert_eq!(RunOutcome::draw(&evidence).exit_code(), 27, "it ran: {message}");
            // A line that nothing proves does not make it done either.
            evidence.claims = vec![claim(0, false)];
            evidence.provable = false;
            assert_eq!(RunOutcome::draw(&evidence).exit_code(), 27, "{message}");
            (evidence.spoke, evidence.started) = (false, false);
            assert_eq!(RunOutcome::draw(&evidence).exit_code(), 24, "it never started: {message}");
        }
    }

    #[test]
    fn a_time_out_is_told_from_the_words_or_the_length() {
        let second = Duration::from_secs(1);
        let draw = |change: &dyn Fn(&mut Evidence), task: TaskEnd| {
            let mut evidence = evidence(failed(), task, vec![], true);
            evidence.timeout = Some(second * 300);
            change(&mut evidence);
            RunOutcome::draw(&evidence)
        };
        let long: &dyn Fn(&mut Evidence) = &|evidence| evidence.length = Some(second * 300);
        let short: &dyn Fn(&mut Evidence) = &|evidence| evidence.length = Some(second * 299);
        let line: &dyn Fn(&mut Evidence) = &|evidence| {
            evidence.system_log = vec![
                "Terminating task because it has reached the maximum timeout of 300 seconds.".to_owned(),
            ];
        };
        let words: &dyn Fn(&mut Evidence) = &|evidence| {
            evidence.ending = Ending::Failed { reason: "The configured timeout was reached.".to_owned() };
        };
        for tells in [long, line, words] {
            assert_eq!(draw(tells, killed(15)), RunOutcome::TimedOut { undone: false });
            assert_eq!(draw(tells, exited(18)), RunOutcome::TimedOut { undone: true });
        }
        assert_eq!(draw(short, killed(15)), RunOutcome::Killed { signal: 15 });
        assert_eq!(draw(long, exited(13)), RunOutcome::Silent { exit_code: 13 }, "it ended by itself");
    }

    /// For a job of the application every code is its own, even where the executor uses the code, too, and no
    /// line of its log is a result.
    #[test]
    fn a_job_of_the_application_ends_with_its_own_code() {
        let draw = |ending, task, change: &dyn Fn(&mut Evidence)| {
            let mut evidence = evidence(ending, task, vec![], false);
            evidence.tells_result = false;
            change(&mut evidence);
            RunOutcome::draw(&evidence)
        };
        let asis: &dyn Fn(&mut Evidence) = &|_| {};
        for code in [1, 2, 3, 10, 18, 25, 26, 27, 143, 255] {
            let ended = draw(failed(), exited(code), asis);
            assert_eq!(i32::from(ended.exit_code()), code);
            assert!(matches!(ended, RunOutcome::Ended { .. }) && ended.may_be_done(), "{ended:?}");
        }
        assert_eq!(draw(Ending::Succeeded, TaskEnd::None, asis), RunOutcome::Ended { exit_code: 0 });
        // Cloud Run's account of it counts as for every other task; only its exit code never means a
        // rollback.
        let of = |reason: &str| RunOutcome::Cancelled { reason: reason.to_owned(), undone: false };
        assert_eq!(draw(cancelled(), exited(18), asis), of("r"));
        let long: &dyn Fn(&mut Evidence) = &|evidence| {
            evidence.length = Some(Duration::from_mins(5));
            evidence.timeout = evidence.length;
        };
        for task in [exited(143), killed(15), killed(9)] {
            assert_eq!(draw(failed(), task, long), RunOutcome::TimedOut { undone: false });
        }
        assert_eq!(draw(failed(), exited(18), long), RunOutcome::Ended { exit_code: 18 });
        assert_eq!(draw(failed(), killed(9), asis).exit_code(), 27);
        assert_eq!(draw(failed(), TaskEnd::None, asis).exit_code(), 24);
    }

    #[test]
    fn what_never_ran_changed_nothing() {
        let draw = |started, task| {
            let mut evidence = evidence(cancelled(), task, vec![], true);
            evidence.started = started;
            RunOutcome::draw(&evidence)
        };
        assert!(!draw(false, TaskEnd::None).may_be_done());
        assert!(draw(true, TaskEnd::None).may_be_done());
        assert!(draw(false, TaskEnd::Unknown).may_be_done());
        assert!(!draw(true, exited(18)).may_be_done(), "the container's own code says that it rolled back");
    }

    #[test]
    fn a_proven_result_stands_whatever_stopped_the_container_after_it() {
        for (ending, task) in [
            (cancelled(), TaskEnd::None),
            (cancelled(), killed(15)),
            (failed(), killed(9)),
            (failed(), timed_out(killed(15))),
            (failed(), status("The container did not exit cleanly.")),
            (failed(), TaskEnd::Unknown),
        ] {
            let evidence = evidence(ending.clone(), task.clone(), vec![claim(0, true)], true);
            match RunOutcome::draw(&evidence) {
                RunOutcome::Reported(reported) => {
                    assert!(reported.afterwards.is_some(), "{ending:?} {task:?}");
                }
                other => panic!("{other:?}: {ending:?} {task:?}"),
            }
        }
    }

    #[test]
    fn what_may_have_been_saved_may_be_done() {
        let silent = |exit_code| RunOutcome::Silent { exit_code }.may_be_done();
        assert!([0, 1, 13, 77].into_iter().all(silent));
        assert!(![2, 10, 11, 12, 14, 15, 16, 17, 18].into_iter().any(silent));
        let reported = |code, undecided: bool| {
            let failure = json!({"message": "because", "undecided": undecided});
            let outcome = json!({"result": "failed", "failure": failure});
            let record = json!({"quill_admin": {"contract": 2, "exit_code": code, "outcome": outcome}});
            let claim = Claim::from_payload(&record, None).expect("a result");
            RunOutcome::Reported(Box::new(Reported { claim, afterwards: None })).may_be_done()
        };
        assert!(reported(13, true) && reported(1, true));
        assert!(!reported(13, false) && !reported(10, false));
    }

    #[test]
    fn what_contradicts_itself_is_not_known() {
        assert_eq!(code(failed(), exited(13), vec![claim(0, true)]), 27);
        // The code contradicts the result even where the task was stopped, because a task prints the code
        // that it ends with.
        assert_eq!(code(cancelled(), exited(13), vec![claim(0, true)]), 27);
        assert_eq!(code(failed(), timed_out(exited(13)), vec![claim(0, true)]), 27);
        assert_eq!(code(cancelled(), exited(143), vec![claim(0, true)]), 0, "SIGTERM, after it was done");
        assert_eq!(code(Ending::Succeeded, TaskEnd::None, vec![claim(10, true)]), 27);
        assert_eq!(code(Ending::Succeeded, TaskEnd::None, vec![claim(0, true), claim(10, true)]), 27);
        // When a task was tried again, the last attempt counts.
        let mut retried =
            evidence(Ending::Succeeded, TaskEnd::None, vec![claim(13, true), claim(0, true)], true);
        retried.retried = true;
        assert_eq!(RunOutcome::draw(&retried).exit_code(), 0);
        // The only result is a line that nothing proves, and the container's code differs from it.
        for provable in [true, false] {
            for (ending, task, line) in [
                (failed(), exited(13), 0),
                (failed(), exited(13), 10),
                (Ending::Succeeded, TaskEnd::None, 10),
            ] {
                let evidence = evidence(ending, task, vec![claim(line, false)], provable);
                assert_eq!(RunOutcome::draw(&evidence).exit_code(), 27);
            }
        }
    }

    #[test]
    fn what_nothing_proves_is_no_result_where_something_could() {
        let forged = || vec![claim(0, false), claim(13, true)];
        assert_eq!(code(failed(), exited(13), forged()), 13);
        let silent = RunOutcome::Silent { exit_code: 0 };
        let draw = |claims, provable| {
            RunOutcome::draw(&evidence(Ending::Succeeded, TaskEnd::None, claims, provable))
        };
        assert_eq!(draw(vec![claim(0, false)], true), silent);
        // Without a key the container's exit code agrees with the result: it is told, and marked as not
        // proven.
        let reported = draw(vec![claim(0, false)], false);
        assert!(matches!(reported, RunOutcome::Reported(_)) && !reported.is_proven(), "{reported:?}");
        // Such a line does not mean that a stopped task was done.
        for (ending, task, expected) in
            [(cancelled(), killed(15), 25), (failed(), killed(9), 27), (failed(), timed_out(killed(9)), 26)]
        {
            let evidence = evidence(ending, task, vec![claim(0, false)], false);
            assert_eq!(RunOutcome::draw(&evidence).exit_code(), expected);
        }
    }
}
