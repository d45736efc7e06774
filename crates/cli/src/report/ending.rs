//! The end of an execution, in a sentence and in a word.

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_operations::task::run_outcome::RunOutcome;

pub(super) const SILENT: &str =
    "the task ended well, but its result line did not arrive: what changed is not known";

/// The end of an execution, in one sentence.
pub(super) fn ended(outcome: &RunOutcome, execution: &str) -> String {
    match outcome {
        RunOutcome::Reported(told) => match &told.claim.line.outcome {
            Outcome::Failed { failure } => failure.message.clone(),
            outcome => format!("the task ended well: {}", outcome.name()),
        },
        RunOutcome::Silent { exit_code: 0 } => SILENT.to_owned(),
        RunOutcome::Silent { exit_code } => {
            let code = ExitCode::from_u8(*exit_code);
            let meaning = code.map_or("a code this version does not know", ExitCode::meaning);
            format!("the task failed with exit code {exit_code} ({meaning}); its result line did not arrive")
        }
        RunOutcome::Ended { exit_code: 0 } => format!("execution {execution} ended with 0"),
        RunOutcome::Ended { exit_code } => format!(
            "the container of execution {execution} ended with {exit_code}: what that means, and what was changed \
             before, is the application's to say"
        ),
        RunOutcome::NeverStarted { reason } => {
            format!("execution {execution} never started: {}", or(reason, "Cloud Run gives no reason"))
        }
        RunOutcome::Cancelled { reason, undone } => {
            // Cloud Run's reason says nothing more, as a rule: "The execution was cancelled."
            let is_said = reason.is_empty() || reason.contains("was cancelled");
            let why = if is_said { String::new() } else { format!(": {}", reason.trim_end_matches('.')) };
            format!("execution {execution} was cancelled{why}; {}", whether_done(*undone))
        }
        RunOutcome::TimedOut { undone } => {
            format!("execution {execution} ran into the job's time-out; {}", whether_done(*undone))
        }
        RunOutcome::Contradicted { reason } => format!(
            "what came of execution {execution} is not known: {reason}; somebody else may have written to the log"
        ),
        RunOutcome::Unclear { reason } => format!(
            "execution {execution} failed without an exit code: {}; whether the task was done is not known",
            or(reason, "Cloud Run gives no reason").trim_end_matches('.')
        ),
        RunOutcome::Unknown { reason } => format!(
            "execution {execution} failed: {}; its result line did not arrive and its exit code could not be \
             read: whether the task was done is not known",
            or(reason, "Cloud Run gives no reason").trim_end_matches('.')
        ),
        RunOutcome::Killed { signal } => format!(
            "the container of execution {execution} was killed by signal {signal} before it could tell its \
             result; whether the task was done is not known"
        ),
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn whether_done(undone: bool) -> &'static str {
    if undone { "nothing was changed" } else { "no result of it is known: whether it was done is not known" }
}

/// The end of an execution, in one word; and Cloud Run's reason, where there is one.
pub(super) fn ending(outcome: &RunOutcome) -> (&'static str, Option<String>) {
    match outcome {
        RunOutcome::Reported(_) => ("reported", None),
        RunOutcome::Silent { .. } => ("silent", None),
        RunOutcome::Ended { .. } => ("ended", None),
        RunOutcome::Contradicted { reason } => ("contradicted", Some(reason.clone())),
        RunOutcome::Unknown { reason } => ("unknown", Some(reason.clone())),
        RunOutcome::Unclear { reason } => ("unclear", Some(reason.clone())),
        RunOutcome::NeverStarted { reason } => ("never_started", Some(reason.clone())),
        RunOutcome::Cancelled { reason, .. } => ("cancelled", Some(reason.clone())),
        RunOutcome::TimedOut { .. } => ("timed_out", None),
        RunOutcome::Killed { signal } => ("killed", Some(format!("signal {signal}"))),
    }
}
