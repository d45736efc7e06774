//! `attach`: follows an execution that was started before, to its end.
//! `cancel`: the same, after telling it to stop.

use quill_admin_cloud::Phase;
use quill_admin_contract::{RequestId, Username, variable};

use super::Context;
use super::task::Wishes;
use crate::args;
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::Event;
use crate::flow::conclusion::Conclusion;
use crate::flow::run;
use crate::prompt::Interrupt;
use crate::report::TaskReport;
use crate::world::World;

pub(super) async fn attach(context: Context<'_>, args: args::Execution) -> Result<u8, CliError> {
    follow(context, args, false).await
}

pub(super) async fn cancel(context: Context<'_>, args: args::Execution) -> Result<u8, CliError> {
    follow(context, args, true).await
}

async fn follow(mut context: Context<'_>, args: args::Execution, cancel: bool) -> Result<u8, CliError> {
    let (environment, world) = context.world_of(&args.execution).await?;
    let reporter = context.reporter;
    let emit = |event| reporter.event(event);
    let execution = run::find(&world.google, &environment, &args.execution).await?;
    let over = matches!(execution.phase, Phase::Ended(_));
    let name = execution.name.clone();
    let mut interrupt = Interrupt::listen();
    context.questions.end();
    if !over {
        emit(Event::Started(name.clone()));
    }
    if cancel && !over {
        emit(Event::Doing("cancelling the task"));
        world.google.cancel(&name).await?;
    }
    let recorded = |name: &str| execution.request.get(name).cloned();
    let request_id = recorded(variable::ADMIN_REQUEST_ID.name).and_then(|id| id.parse::<RequestId>().ok());
    let username = recorded(variable::ADMIN_USERNAME.name).and_then(|name| name.parse::<Username>().ok());
    let embedded = matches!(environment.place, Place::Embedded { .. });
    let attended = context.form.attended();
    let mut wishes = Wishes { reporter, attended, embedded, cancelled: false };
    let wish = async || wishes.next(&mut interrupt).await;
    let run = run::attend(&world.google, &environment, execution, None, wish, &emit).await;
    let code = run.map(|run| {
        let code = reporter.task(&TaskReport {
            environment: &environment,
            username: username.as_ref(),
            request_id,
            run: &run,
            generated_password: None,
        });
        let cancelled = matches!(run.conclusion, Conclusion::Cancelled { .. });
        // What was asked for has happened.
        if cancel && !over && cancelled { 0 } else { code }
    });
    if let Err(error) = world.close().await {
        emit(Event::Trouble(error.to_string()));
    }
    code
}

impl Context<'_> {
    /// The environment an execution belongs to: that of `--env`, or the one whose job it is named
    /// after.
    pub(super) fn environment_of(&mut self, execution: &str) -> Result<Environment, CliError> {
        let valid = !execution.is_empty()
            && execution
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !valid {
            return Err(CliError::usage(format!(
                "\"{}\" is not the name of an execution, such as quill-admin-staging-x7k2p",
                execution.escape_debug()
            )));
        }
        if self.global.env.is_none() {
            let config = self.config()?;
            let owns = |name: &&str| {
                config.environment(name).is_ok_and(|environment| {
                    execution
                        .strip_prefix(environment.job.job.as_str())
                        .is_some_and(|rest| rest.starts_with('-') && !rest[1..].contains('-'))
                })
            };
            let mut names = config.names().filter(owns);
            if let (Some(name), None) = (names.next(), names.next()) {
                self.global.env = Some(name.to_owned());
            }
        }
        self.need_environment();
        self.form.check()?;
        self.environment()
    }

    /// The same, opened.
    pub(super) async fn world_of(&mut self, execution: &str) -> Result<(Environment, World), CliError> {
        let environment = self.environment_of(execution)?;
        let reporter = self.reporter;
        let opening = self.open_environment(&environment)?;
        let world = opening.wait(&|event| reporter.event(event)).await?;
        Ok((environment, world))
    }
}
