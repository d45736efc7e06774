//! The end of an execution, in a sentence and in a word.

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_operations::task::conclusion::Conclusion;

pub(super) const UNTOLD: &str =
    "the task ended well, but its result line did not arrive: what changed is not known";

/// The end of an execution, in one sentence.
pub(super) fn ended(conclusion: &Conclusion, execution: &str) -> String {
    match conclusion {
        Conclusion::Told(told) => match &told.claim.line.outcome {
            Outcome::Failed { failure } => failure.message.clone(),
            outcome => format!("the task ended well: {}", outcome.name()),
        },
        Conclusion::Untold { exit_code: 0 } => UNTOLD.to_owned(),
        Conclusion::Untold { exit_code } => {
            let code = ExitCode::from_u8(*exit_code);
            let meaning = code.map_or("a code this version does not know", ExitCode::meaning);
            format!("the task failed with exit code {exit_code} ({meaning}); its result line did not arrive")
        }
        Conclusion::Ended { exit_code: 0 } => format!("execution {execution} ended with 0"),
        Conclusion::Ended { exit_code } => format!(
            "the container of execution {execution} ended with {exit_code}: what that means, and what was changed \
             before, is the application's to say"
        ),
        Conclusion::NeverStarted { reason } => {
            format!("execution {execution} never started: {}", or(reason, "Cloud Run gives no reason"))
        }
        Conclusion::Cancelled { reason, undone } => format!(
            "execution {execution} was cancelled{}; {}",
            if reason.is_empty() { String::new() } else { format!(": {}", reason.trim_end_matches('.')) },
            whether_done(*undone)
        ),
        Conclusion::TimedOut { undone } => {
            format!("execution {execution} ran into the job's time-out; {}", whether_done(*undone))
        }
        Conclusion::Contradicted { reason } => format!(
            "what came of execution {execution} is not known: {reason}; somebody else may have written to the log"
        ),
        Conclusion::Unclear { reason } => format!(
            "execution {execution} failed without an exit code: {}; whether the task was done is not known",
            or(reason, "Cloud Run gives no reason").trim_end_matches('.')
        ),
        Conclusion::Unread { reason } => format!(
            "execution {execution} failed: {}; its result line did not arrive and its exit code could not be \
             read: whether the task was done is not known",
            or(reason, "Cloud Run gives no reason").trim_end_matches('.')
        ),
        Conclusion::Killed { signal } => format!(
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
pub(super) fn ending(conclusion: &Conclusion) -> (&'static str, Option<String>) {
    match conclusion {
        Conclusion::Told(_) => ("told", None),
        Conclusion::Untold { .. } => ("untold", None),
        Conclusion::Ended { .. } => ("ended", None),
        Conclusion::Contradicted { reason } => ("contradicted", Some(reason.clone())),
        Conclusion::Unread { reason } => ("unread", Some(reason.clone())),
        Conclusion::Unclear { reason } => ("unclear", Some(reason.clone())),
        Conclusion::NeverStarted { reason } => ("never_started", Some(reason.clone())),
        Conclusion::Cancelled { reason, .. } => ("cancelled", Some(reason.clone())),
        Conclusion::TimedOut { .. } => ("timed_out", None),
        Conclusion::Killed { signal } => ("killed", Some(format!("signal {signal}"))),
    }
}
