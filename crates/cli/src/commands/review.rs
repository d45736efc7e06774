//! `review`: shows what was run since the last review and what of it deserves a look, and records that it was
//! reviewed.

use quill_admin_contract::{AdminAction, ExitCode, Outcome, REVIEW, Reason, Request, Review};
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;
use quill_admin_operations::session::{Session, sign_in};
use quill_admin_operations::task::job_image;
use quill_admin_operations::task::run;
use quill_admin_operations::task::run_outcome::{Run, RunOutcome};
use quill_admin_operations::{hints, history, review};

use super::context::Context;
use super::guard::close;
use super::task::{OpenTask, Progress, Subject, TaskOptions};
use crate::args;
use crate::report::ReviewReport;

pub(super) async fn run(mut context: Context<'_>, args: args::Review) -> Result<u8, CliError> {
    let reason: Option<Reason> = context.form.optional("--reason", args.reason.as_deref());
    context.need_environment()?;
    context.form.check()?;
    let since = args.since.as_deref().map(|text| history::since(Some(text))).transpose()?;
    if since.is_some_and(|since| since > jiff::Timestamp::now()) {
        return Err(CliError::usage("--since names a time that is still to come: nothing can be reviewed"));
    }
    let environment = context.environment()?;
    if args.record {
        context.gate(&environment, args.confirm.as_deref())?;
        context.confirm_settings(&environment)?;
    }
    let (progress, emit) = context.progress();
    let session = context.open_environment(&environment)?.wait(emit).await?;
    let reporter = context.reporter;
    let code = in_session(&mut context, &session, &progress, since, reason, &args).await;
    close(reporter, session).await;
    code
}

async fn in_session(
    context: &mut Context<'_>,
    session: &Session,
    progress: &Progress,
    since: Option<jiff::Timestamp>,
    reason: Option<Reason>,
    args: &args::Review,
) -> Result<u8, CliError> {
    let environment = session.environment();
    let reporter = context.reporter;
    let reviewed = review::read(session, since).await?;
    let report = ReviewReport::new(environment, &reviewed);
    let is_text = !reporter.is_json() && !args.csv;
    if args.csv {
        reporter.review_table(&report);
    } else if is_text {
        reporter.review(&report);
    }
    let wanted = args.record || !args.look && is_text && agrees(context, environment, args)?;
    if wanted {
        context.confirm(environment, args.confirm.as_deref())?;
        let run = record(context, session, progress, report.record(), reason).await?;
        let execution = run.execution.name.id.as_str();
        recorded(&run, environment)?;
        if reporter.is_json() {
            reporter.review_document(&report, Some(execution));
        } else {
            reporter.review_recorded(&report, execution, is_text);
        }
    } else {
        if reporter.is_json() {
            reporter.review_document(&report, None);
        }
        if !args.look {
            reporter.review_not_recorded(&report);
        }
    }
    Ok(report.exit_code())
}

/// Asks whether the review that was shown is to be recorded, where a person can be asked.
fn agrees(
    context: &mut Context<'_>,
    environment: &Environment,
    args: &args::Review,
) -> Result<bool, CliError> {
    if !context.form.attended() || !context.form.confirm("Record this review?")? {
        return Ok(false);
    }
    context.gate(environment, args.confirm.as_deref())?;
    context.confirm_settings(environment)?;
    Ok(true)
}

/// Runs the job with the action `review`, which connects to nothing and leaves the record.
async fn record(
    context: &Context<'_>,
    session: &Session,
    progress: &Progress,
    review: Review,
    reason: Option<Reason>,
) -> Result<Run, CliError> {
    let environment = session.environment();
    let options = TaskOptions::of_a_look(reason.clone());
    let subject = Subject::default();
    let task = OpenTask::new(session, &options, &subject, progress);
    let request = async {
        let account = session.account().await;
        let actor = sign_in::actor(account.as_deref(), context.process);
        let mut request = Request::new(AdminAction::review(review), actor, reason);
        request.origin = sign_in::origin(context.process);
        Ok(request)
    };
    let mut prepared = run::prepare(session, REVIEW, environment.job.clone(), request, false).await?;
    context.judge(&task, &prepared)?;
    prepared.request.contract = job_image::contract(&prepared.job.settings);
    context.run_prepared(&task, prepared).await
}

/// Whether a run has recorded the review.
///
/// # Errors
///
/// Fails with what came of it where it has not. An image from before reviews does not know the action.
fn recorded(run: &Run, environment: &Environment) -> Result<(), CliError> {
    let id = &run.execution.name.id;
    let said = match &run.outcome {
        RunOutcome::Reported(one) => match &one.claim.line.outcome {
            Outcome::Reviewed { .. } if one.claim.line.exit_code == ExitCode::Success.code() => return Ok(()),
            Outcome::Failed { failure } => failure.message.clone(),
            other => format!("the task ended as \"{}\"", other.name()),
        },
        _ => "no result has arrived".to_owned(),
    };
    let what = format!("the review is not recorded by execution {id}: {said}");
    let code = run.exit_code();
    if code == ExitCode::Usage.code() {
        let error = CliError::new(ExitCode::ImageTooOld, what);
        return Err(error.hint(hints::newer_image(&environment.name)));
    }
    let code = ExitCode::from_u8(code).filter(|code| *code != ExitCode::Success).unwrap_or(ExitCode::Unknown);
    let logs = hints::command(&environment.name, &format!("logs {id}"), &[]);
    Err(CliError::new(code, what)
        .hint(quill_admin_operations::error::advice("see all that it printed", &logs)))
}
