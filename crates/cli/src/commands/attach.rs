//! `attach`: follows an execution that was started before, to its end.
//! `cancel`: follows it, too, after telling it to stop.

use quill_admin_cloud::Phase;
use quill_admin_contract::{RequestId, Username, variable};
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::{CliError, advice};
use quill_admin_operations::events::Event;
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::Session;
use quill_admin_operations::task::jobs;
use quill_admin_operations::task::run;
use quill_admin_operations::task::run_outcome::RunOutcome;

use super::context::Context;
use super::guard::close;
use crate::args;
use crate::report::TaskReport;

pub(super) async fn attach(context: Context<'_>, args: args::Execution) -> Result<u8, CliError> {
    follow(context, args, false).await
}

pub(super) async fn cancel(context: Context<'_>, args: args::Execution) -> Result<u8, CliError> {
    follow(context, args, true).await
}

async fn follow(mut context: Context<'_>, args: args::Execution, cancel: bool) -> Result<u8, CliError> {
    let session = context.session_of(&args.execution).await?;
    let code = follow_in(&session, &context, &args, cancel).await;
    close(context.reporter, session).await;
    code
}

async fn follow_in(
    session: &Session,
    context: &Context<'_>,
    args: &args::Execution,
    cancel: bool,
) -> Result<u8, CliError> {
    let reporter = context.reporter;
    let execution = jobs::find(session, &args.execution).await?;
    let over = matches!(execution.phase, Phase::Ended(_));
    let mut guard = context.guard();
    if !over {
        session.emit(Event::Started(execution.name.clone()));
    }
    let recorded = |name: &str| execution.request.get(name).cloned();
    let request_id = recorded(variable::ADMIN_REQUEST_ID.name).and_then(|id| id.parse::<RequestId>().ok());
    let username = recorded(variable::ADMIN_USERNAME.name).and_then(|name| name.parse::<Username>().ok());
    let point = PointOfNoReturn::new("the task is not affected");
    let run = guard.run(&point, Box::pin(run::attend(session, execution, cancel && !over, &point))).await;
    if cancel && let Ok(run) = &run {
        if over {
            session.emit(Event::Trouble("it had ended before; nothing was cancelled".to_owned()));
        } else if by_itself(&run.outcome) {
            session.emit(Event::Trouble("it came to its end before it could be cancelled".to_owned()));
        }
    }
    run.map(|run| {
        reporter.task(&TaskReport {
            environment: session.environment(),
            username: username.as_ref(),
            request_id,
            action: None,
            run: &run,
            preview: None,
            generated_password: None,
            to_cancel: cancel && !over,
        })
    })
}

/// Whether it came to its end by itself.
fn by_itself(outcome: &RunOutcome) -> bool {
    match outcome {
        RunOutcome::Reported(told) => told.afterwards.is_none(),
        RunOutcome::Ended { .. } => true,
        _ => false,
    }
}

impl Context<'_> {
    /// The environment that an execution belongs to: that of `--env`, or the one with a job that it is named
    /// after, or that of the variable for all commands.
    pub(super) fn environment_of(&mut self, execution: &str) -> Result<Environment, CliError> {
        self.refuse_environment(execution)?;
        let valid = !execution.is_empty()
            && execution
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !valid {
            return Err(CliError::usage(format!(
                "\"{}\" is not the name of an execution, such as quill-tasks-staging-x7k2p",
                execution.escape_debug()
            )));
        }
        if !self.global.env_is_named {
            let config = self.config()?;
            let owns = |name: &&str| {
                config.environment(name).is_ok_and(|environment| {
                    jobs::all(&environment).iter().any(|job| jobs::is_named_after(execution, job))
                })
            };
            let mut names = config.names().filter(owns);
            if let (Some(name), None) = (names.next(), names.next()) {
                self.global.env = Some(name.to_owned());
            }
        }
        self.need_environment()?;
        self.form.check()?;
        self.environment()
    }

    /// Refuses the name of an environment where an execution has to be named.
    pub(super) fn refuse_environment(&self, execution: &str) -> Result<(), CliError> {
        // A file that cannot be read is told of by the command, where it is needed.
        if !self.config().is_ok_and(|config| config.names().any(|name| name == execution)) {
            return Ok(());
        }
        let find = hints::command(execution, "history", &[]);
        let told = format!("\"{execution}\" is an environment, and this needs an execution");
        Err(CliError::usage(told).hint(advice("find its name with", &find)))
    }

    /// Opens the environment that an execution belongs to.
    pub(super) async fn session_of(&mut self, execution: &str) -> Result<Session, CliError> {
        let environment = self.environment_of(execution)?;
        self.session(&environment).await
    }
}
