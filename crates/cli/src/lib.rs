//! The command line: it reads what is asked for, asks a person for the rest, and shows the results.
//!
//! The reading order is the way that a command takes: [`args`] with [`task_command`] → [`commands`] →
//! [`prompt`] → [`quill_admin_operations`], which does the work → [`report`]. A command, a task and a result
//! are added as the tops of [`commands`] and [`report`] say.

pub mod args;
pub mod commands;
pub mod completion;
mod help;
mod home;
mod meant;
pub mod password;
pub mod prompt;
mod proxy;
mod quotes;
pub mod report;
pub mod task_command;
mod wrap;

use std::sync::Arc;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use jiff::Timestamp;
use quill_admin_contract::ExitCode;
use quill_admin_operations::actions::{self, Settled};
/// The module and the macro have the same name: the build script packs the executor that the macro includes.
pub use quill_admin_operations::carried;
use quill_admin_operations::error::{CliError, advice};
use quill_admin_operations::hints;
use quill_admin_operations::process::{BuiltFrom, Process, keep_memory_private};
#[cfg(feature = "local")]
use quill_admin_operations::session::own_program::EXECUTOR_ARGUMENT;

use crate::args::Refusal;
use crate::report::{Reporter, Style};
use crate::task_command::TaskCommand;

/// Runs the whole program. `main` only calls this, with the executor that it carries.
#[must_use]
pub fn main(carried: Option<carried::Executor>) -> std::process::ExitCode {
    carried::provide(carried);
    #[cfg(feature = "local")]
    if std::env::args_os().nth(1).is_some_and(|first| first == EXECUTOR_ARGUMENT) {
        let mut arguments = std::env::args_os().skip(2).peekable();
        // The argument of the embedded environment stands before those of its job's command.
        return match arguments.next_if(|first| first != quill_admin_contract::TARGET_OPTION) {
            None => quill_admin_executor::main_from_env(actions::COMPILED, arguments),
            Some(file) => {
                quill_admin_executor::main_from_env(&std::fs::read(file).unwrap_or_default(), arguments)
            }
        };
    }
    if let Err(error) = proxy::keep_away_from_this_machine() {
        return Reporter::new(Style::default()).error(&error).into();
    }
    // This comes after the step that may start this program anew, which would make the memory readable again.
    keep_memory_private();
    let process = match Process::current(built_from()) {
        Ok(process) => process,
        Err(error) => {
            let error = CliError::new(ExitCode::Unexpected, format!("failed to start: {error}"));
            return Reporter::new(Style::default()).error(&error).into();
        }
    };
    report::end(run(&process)).into()
}

/// The revision that this program was built from, as the build script has noted it.
fn built_from() -> BuiltFrom {
    let seconds = option_env!("QUILL_ADMIN_COMMITTED").and_then(|seconds| seconds.parse().ok());
    BuiltFrom {
        revision: option_env!("QUILL_ADMIN_REVISION"),
        committed: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()),
    }
}

fn run(process: &Process) -> u8 {
    let Settled { actions, mistakes } = actions::settle(process);
    let tasks = task_command::catalogue(actions);
    report::colours(args::color(&process.args));
    report::symbols::use_locale(|name| process.var(name));
    if let Some(answer) = completion::answer(process, &tasks) {
        return Reporter::new(Style::default()).completed(answer);
    }
    let cli = match args::parse(&tasks, process.args.iter().cloned()) {
        Ok(cli) => cli,
        Err(Refusal::Ours(error)) => return Reporter::new(asked_for(process)).error(&error),
        Err(Refusal::Clap(error)) => return refuse(process, &tasks, *error, mistakes.as_ref()),
    };
    let style = Style { json: cli.global.json, quiet: cli.global.quiet, verbose: cli.global.verbose };
    let reporter = Arc::new(Reporter::new(style));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return reporter.error(&CliError::new(ExitCode::Unexpected, format!("failed to start: {error}")));
        }
    };
    let code = runtime
        .block_on(commands::dispatch(cli, &tasks, mistakes, process, &reporter))
        .unwrap_or_else(|error| reporter.error(&error));
    // A thread may still wait at a question that nobody will answer.
    runtime.shutdown_background();
    code
}

/// The form of a refusal, which clap has not read: JSON where `--json` is among the words.
fn asked_for(process: &Process) -> Style {
    Style { json: process.args.iter().any(|arg| arg == "--json"), ..Style::default() }
}

/// The error of a command line that ends before its command.
fn no_command(error: &clap::Error) -> CliError {
    let before = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(before)) => before.as_str(),
        _ => "quill-admin",
    };
    CliError::usage("no command was given").hint(advice("see the commands with", &format!("{before} --help")))
}

/// Handles a command line that clap does not accept: help and version are answers, everything else is a
/// refusal. An unknown command may be declared in a file of actions with mistakes; then the mistakes are
/// reported.
fn refuse(
    process: &Process,
    tasks: &[TaskCommand],
    mut error: clap::Error,
    mistakes: Option<&CliError>,
) -> u8 {
    let style = asked_for(process);
    if let Some(mistakes) = mistakes.filter(|_| error.kind() == ErrorKind::InvalidSubcommand) {
        return Reporter::new(style).error(mistakes);
    }
    if error.kind() == ErrorKind::MissingSubcommand {
        return Reporter::new(style).error(&no_command(&error));
    }
    meant::names_first(tasks, &mut error);
    meant::option(process, tasks, &mut error);
    let meant = match mistakes {
        // Help and version are answers all the same.
        Some(_) if !error.use_stderr() => Some(advice(
            "the file of actions has mistakes, and its actions are not shown here; see them with",
            &hints::of_actions("actions check"),
        )),
        _ => meant::with_environment(process, tasks, &error),
    };
    if error.use_stderr() && style.json {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ").to_owned();
        let told = CliError::usage(message);
        return Reporter::new(style).error(&told.hints(meant));
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(ExitCode::Usage.code());
    report::clap(error, meant.as_deref());
    code
}
