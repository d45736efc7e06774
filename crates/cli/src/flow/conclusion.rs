//! What is known about a task once nothing more will come.

use quill_admin_cloud::{Ending, Execution, TaskResult};
use quill_admin_contract::{ExitCode, Outcome, ResultLine};

/// What is known of how the container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// Cloud Run has a result of it.
    Seen(TaskResult),
    /// There is none: no container ever ran, or none was asked for.
    None,
    /// It could not be found out.
    Unread,
}

/// How a run ended. "The task failed" is one of these; "the cloud failed" is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// The executor said what came of it.
    Told(Box<ResultLine>),
    /// The container ended, but its result line was not found in the log.
    Untold {
        /// The container's exit code.
        exit_code: u8,
    },
    /// The execution failed, and neither the executor nor Cloud Run could be asked how.
    Unread {
        /// Cloud Run's reason.
        reason: String,
    },
    /// No container ever started.
    NeverStarted {
        /// Cloud Run's reason.
        reason: String,
    },
    /// Somebody cancelled it before it was done.
    Cancelled {
        /// Cloud Run's reason.
        reason: String,
        /// Nothing was changed: the executor told that it rolled back, or it never ran.
        undone: bool,
    },
    /// It ran into the time-out before it was done.
    TimedOut {
        /// Nothing was changed: the executor told that it rolled back, or it never ran.
        undone: bool,
    },
    /// The container was killed before it could say anything: out of memory, most often.
    Killed {
        /// By which signal.
        signal: i32,
    },
}

impl Conclusion {
    /// Draws it from what Cloud Run and the executor say. The result line is printed after COMMIT
    /// or ROLLBACK, so where there is one, it is the truth about the database. `ran` says whether the
    /// execution was ever seen to start.
    #[must_use]
    pub fn draw(ending: &Ending, ran: bool, task: &TaskEnd, result: Option<ResultLine>) -> Self {
        let rolled_back = result.as_ref().is_some_and(|result| result.exit_code == ExitCode::Stopped.code());
        match (ending, task, result) {
            (_, _, Some(result)) if !rolled_back => Self::Told(Box::new(result)),
            (Ending::Cancelled { reason }, _, _) => {
                let undone = rolled_back || (!ran && *task == TaskEnd::None);
                Self::Cancelled { reason: reason.clone(), undone }
            }
            (_, TaskEnd::Seen(task), _) if task.timed_out => Self::TimedOut { undone: rolled_back },
            (_, _, Some(result)) => Self::Told(Box::new(result)),
            (Ending::Succeeded, _, None) => Self::Untold { exit_code: 0 },
            (Ending::Failed { reason }, TaskEnd::None, None) => Self::NeverStarted { reason: reason.clone() },
            (Ending::Failed { reason }, TaskEnd::Unread, None) => Self::Unread { reason: reason.clone() },
            (Ending::Failed { .. }, TaskEnd::Seen(task), None) if task.term_signal != 0 => {
                Self::Killed { signal: task.term_signal }
            }
            (Ending::Failed { .. }, TaskEnd::Seen(task), None) => Self::Untold {
                exit_code: u8::try_from(task.exit_code).unwrap_or(ExitCode::Unexpected.code()),
            },
        }
    }

    /// How the program ends because of it. The executor's codes pass through unchanged.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Told(result) => result.exit_code,
            Self::Untold { exit_code } => *exit_code,
            Self::NeverStarted { .. } => ExitCode::NeverStarted.code(),
            Self::Cancelled { .. } => ExitCode::Cancelled.code(),
            Self::TimedOut { .. } => ExitCode::TimedOut.code(),
            // It may have been killed between COMMIT and its last line.
            Self::Killed { .. } | Self::Unread { .. } => ExitCode::Unknown.code(),
        }
    }

    /// What the executor said came of it.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Told(result) => Some(&result.outcome),
            _ => None,
        }
    }

    /// Whether the database may hold what was asked for: done, or not known.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        match self {
            Self::Told(_) | Self::Untold { .. } => self.exit_code() == 0,
            Self::NeverStarted { .. } => false,
            Self::Cancelled { undone, .. } | Self::TimedOut { undone } => !undone,
            Self::Killed { .. } | Self::Unread { .. } => true,
        }
    }
}

/// One run from beginning to end.
#[derive(Debug)]
pub struct Run {
    /// The execution as it was last seen.
    pub execution: Execution,
    /// What came of it.
    pub conclusion: Conclusion,
    /// Lines of Cloud Run itself that explain a failure.
    pub system_log: Vec<String>,
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::{Failure, RunContext};

    use super::*;

    fn told(code: ExitCode) -> ResultLine {
        let failure = Failure::new("because");
        ResultLine::new(&RunContext::default(), code, Outcome::Failed { failure })
    }

    fn task(exit_code: i32, term_signal: i32, timed_out: bool) -> TaskResult {
        TaskResult { exit_code, term_signal, timed_out, message: String::new() }
    }

    #[test]
    fn every_ending_has_its_own_code() {
        let failed = Ending::Failed { reason: "r".to_owned() };
        let cancelled = Ending::Cancelled { reason: "r".to_owned() };
        let draw = |ending: &Ending, task: Option<TaskResult>, result: Option<ResultLine>| {
            let task = task.map_or(TaskEnd::None, TaskEnd::Seen);
            Conclusion::draw(ending, true, &task, result).exit_code()
        };
        assert_eq!(Conclusion::draw(&failed, true, &TaskEnd::Unread, None).exit_code(), 27);
        assert_eq!(draw(&Ending::Succeeded, None, None), 0);
        assert_eq!(draw(&failed, Some(task(10, 0, false)), Some(told(ExitCode::UserNotFound))), 10);
        assert_eq!(draw(&failed, Some(task(13, 0, false)), None), 13);
        assert_eq!(draw(&failed, None, None), 24);
        assert_eq!(draw(&cancelled, None, None), 25);
        assert_eq!(draw(&cancelled, Some(task(18, 0, false)), Some(told(ExitCode::Stopped))), 25);
        assert_eq!(draw(&failed, Some(task(18, 0, true)), Some(told(ExitCode::Stopped))), 26);
        assert_eq!(draw(&failed, Some(task(0, 9, true)), None), 26);
        assert_eq!(draw(&failed, Some(task(0, 9, false)), None), 27);
        assert_eq!(draw(&failed, Some(task(18, 0, false)), Some(told(ExitCode::Stopped))), 18);
    }

    #[test]
    fn what_never_ran_changed_nothing() {
        let cancelled = Ending::Cancelled { reason: String::new() };
        assert!(!Conclusion::draw(&cancelled, false, &TaskEnd::None, None).may_be_done());
        assert!(Conclusion::draw(&cancelled, true, &TaskEnd::None, None).may_be_done());
        assert!(Conclusion::draw(&cancelled, false, &TaskEnd::Unread, None).may_be_done());
    }

    #[test]
    fn a_task_that_was_done_before_it_was_cancelled_is_done() {
        let cancelled = Ending::Cancelled { reason: String::new() };
        let mut done = told(ExitCode::Success);
        done.exit_code = 0;
        assert_eq!(Conclusion::draw(&cancelled, true, &TaskEnd::None, Some(done)).exit_code(), 0);
    }
}
