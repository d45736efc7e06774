//! `undo`: runs the action that undoes a run of the past, if what the run has left is still there.
//!
//! The record of the run says which action that is. Everything after that is a task as any other: its plan, its
//! preview, its confirmation, its record.

use quill_admin_actions::variable;
use quill_admin_contract::{AdminAction, NextAction, RequestId, Username, Variables};
use quill_admin_operations::error::CliError;
use quill_admin_operations::{actions, undo};

use super::context::Context;
use super::guard::close;
use super::task::{Subject, Task, TaskOptions};
use crate::args;

pub(super) async fn run(mut context: Context<'_>, args: args::Undo) -> Result<u8, CliError> {
    let options = TaskOptions::of_a_change(&mut context.form, args.flags);
    context.form.check()?;
    context.refuse_environment(&args.run)?;
    // The name of an execution says whose it is.
    if !context.global.env_is_named && args.run.parse::<RequestId>().is_err() {
        context.global.env = Some(context.environment_of(&args.run)?.name);
    }
    // The action is known when the record was read; where it is run is known now.
    let (environment, job) = context.environment_for_task("undo", &options)?;
    let opening = context.open_environment(&environment)?;
    let (progress, emit) = context.progress();
    context.reporter.begin();
    let session = opening.wait(emit).await?;
    let found = undo::find(&session, &args.run).await.and_then(|found| Ok((action(&found.call)?, found)));
    let (action, found) = match found {
        Ok(found) => found,
        Err(error) => {
            close(context.reporter, session).await;
            return Err(error);
        }
    };
    let subject = Subject {
        username: found.call.with.get("username").and_then(|name| name.parse::<Username>().ok()),
        generated_password: None,
    };
    // Which action that is, and with which values, nobody has typed.
    context.form.note_unseen();
    let task = Task {
        name: found.call.action.clone(),
        job,
        subject,
        options,
        undoes: Some(found.undoing),
        action: async { Ok(action) },
    };
    context.run_open(session, &progress, task).await
}

/// The action of a call, made from the variables that would carry it, as the container does. A value that the file of
/// actions does not allow any more is refused in its words.
fn action(call: &NextAction) -> Result<AdminAction, CliError> {
    if actions::known(&call.action).is_some_and(quill_admin_actions::Action::is_job) {
        let what = format!(
            "{} runs in a job of the application, and undoes nothing; nothing was started",
            call.action
        );
        return Err(CliError::usage(what));
    }
    let values = call.with.iter().map(|(name, value)| (variable(name), value.clone()));
    let action = ("ADMIN_ACTION".to_owned(), call.action.clone());
    let variables = values.chain([action]).map(|(name, value)| (name.into(), value.into()));
    AdminAction::from_env(&Variables::new(variables), actions::of_this_run()).map_err(|error| {
        CliError::new(
            error.exit_code(),
            format!("it cannot be undone with the actions of this program: {error}; nothing was started"),
        )
    })
}
