//! Runs any task: asks for the values that its flags do not give, makes its request, and runs it.
//!
//! A task's parameters are data ([`TaskCommand`](crate::task_command::TaskCommand)), so all tasks are run
//! here. The parameters become the variables that go into the container, and the container makes the action
//! from these.

mod answers;
mod ask;

use std::io::{self, IsTerminal as _};

use quill_admin_contract::{CHECK, Username};
use quill_admin_operations::actions;
use quill_admin_operations::error::CliError;

use super::context::Context;
use super::task::{Subject, Task};
use crate::task_command::{PasswordSource, TaskCall};
use ask::{Place, ask, check, stdin_refused};

/// The parameter whose value is the user that a task is about.
const USERNAME: &str = "username";

pub(super) async fn run(
    mut context: Context<'_>,
    call: TaskCall<'_>,
    mistakes: Option<CliError>,
) -> Result<u8, CliError> {
    // With mistakes, the commands are those of the built-in actions, and not those of the chosen file. An
    // action that no file declares is not affected by them.
    if let Some(mistakes) = mistakes.filter(|_| call.command.name != CHECK) {
        return Err(mistakes);
    }
    if call.takes_password_from(PasswordSource::Stdin) {
        if io::stdin().is_terminal() {
            return Err(stdin_refused("stdin is a terminal, which would show the password")
                .hint("leave the flag out to be asked for the password, hidden"));
        }
        // Stdin holds the password now, so nothing can be asked.
        context.form.unattended();
    }
    let made_here = call.takes_password_from(PasswordSource::Generated);
    let command = call.command;
    if !command.previews && (call.flags.preview || call.flags.expect.is_some()) {
        let why = if command.writes {
            "it runs in a job of the application, which has no previews"
        } else {
            "it only reads, so it can be run as it is"
        };
        return Err(CliError::usage(format!("{} cannot be previewed: {why}", command.name)));
    }
    let checked = check(&mut context.form, call.given);
    let options = context.task_options(command, call.flags);
    context.need_environment()?;
    context.form.check()?;
    if made_here && !options.dry_run && !options.preview {
        // The password is shown once, at the end: a task is better not begun than its password lost.
        context.reporter.check_password_can_be_shown()?;
    }

    let (environment, job) = context.environment_for_task(&command.name, &options)?;
    let place = Place { environment: &environment.name, project: environment.job.project.as_str() };
    // The environment opens while a person answers; the embedded one, which others want to use meanwhile, only after
    // that. Where nobody is asked, all values are checked before anything is sent.
    let (answers, opening) = if context.form.asks() {
        let opening = context.open_for_task(&environment, &job, &options)?;
        (ask(&mut context.form, checked, place)?, opening)
    } else {
        (ask(&mut context.form, checked, place)?, context.open_for_task(&environment, &job, &options)?)
    };
    let subject = Subject {
        username: answers.text(USERNAME).and_then(|name| name.parse::<Username>().ok()),
        generated_password: answers.generated_password(),
    };
    let action = answers.into_action(&command.name, actions::of_this_run());
    let task = Task { name: command.name.clone(), job, subject, options, undoes: None, action };
    context.run_task(opening, task).await
}

#[cfg(test)]
mod tests;
