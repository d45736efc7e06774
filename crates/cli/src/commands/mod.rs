//! The commands: one file for each verb, and [`run_task`] for all that run a task.
//!
//! **To add a command:** its file here, its arguments in `args.rs`, a line in [`run`], and its report in
//! `report/`. **To add a task:** an action in `application/actions.yaml`.

mod actions;
#[cfg(feature = "local")]
mod actions_check;
mod actions_deployed;
#[cfg(feature = "local")]
mod actions_test;
mod attach;
mod build;
mod completions;
mod confirm_settings;
mod context;
mod doctor;
mod each;
mod envs;
mod gate;
mod guard;
mod help;
mod history;
mod init;
#[cfg(feature = "local")]
mod local;
mod login;
mod logs;
mod man;
mod preview;
mod record_key;
mod reference;
mod restore_backend;
mod review;
mod run_task;
mod task;
mod undo;
mod whoami;

use std::sync::{Arc, OnceLock};

use context::Context;
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use quill_admin_operations::process::Process;
use quill_admin_operations::session::sign_in;

use crate::args::{Call, Cli, Command};
use crate::prompt::{Form, Questions, Terminal};
use crate::report::Reporter;
use crate::task_command::TaskCommand;

/// Runs the command and returns the exit code; everything but errors has been reported by then. `mistakes`
/// are those of the chosen file of actions: they stop tasks, and nothing else.
///
/// # Errors
///
/// Fails with the error of the command, which the caller reports.
pub async fn dispatch(
    cli: Cli<'_>,
    tasks: &[TaskCommand],
    mistakes: Option<CliError>,
    process: &Process,
    reporter: &Arc<Reporter>,
) -> Result<u8, CliError> {
    let form = if cli.global.no_input {
        Form::silent()
    } else {
        Form::new(Terminal::find().map(|terminal| Box::new(terminal) as _))
    };
    let form = form.of(&cli.command);
    let questions = Questions::begin({
        let reporter = Arc::clone(reporter);
        move |error| reporter.interrupted(error)
    });
    let mut global = cli.global;
    // An empty `QUILL_ADMIN_ENV` counts as an unset one.
    global.env = global.env.filter(|name| !name.is_empty());
    global.config = global.config.filter(|file| !file.as_os_str().is_empty());
    let chosen = Arc::<OnceLock<Environment>>::default();
    let (command, chosen_too) = (cli.command, Arc::clone(&chosen));
    let context = Context { process, global, command, reporter, form, questions, chosen: chosen_too };
    let diagnosed = matches!(cli.call, Call::Other(Command::Doctor(_)));
    let ended = match cli.call {
        Call::Task(call) => run_task::run(context, call, mistakes).await,
        Call::Other(command) => Box::pin(run(context, tasks, mistakes, command)).await,
    };
    ended.map_err(|error| {
        let check = error.check.filter(|_| !diagnosed);
        let certificates = error.unknown_issuer.then(|| sign_in::certificates_of_gcloud(process)).flatten();
        let closer = check.and_then(|check| hints::look_closer(chosen.get(), check));
        error.hints(certificates.into_iter().chain(closer))
    })
}

async fn run(
    mut context: Context<'_>,
    tasks: &[TaskCommand],
    mistakes: Option<CliError>,
    command: Command,
) -> Result<u8, CliError> {
    match command {
        Command::Each(args) => Box::pin(each::run(context, args, tasks, mistakes)).await,
        Command::Build(args) => build::run(context, args).await,
        Command::RestoreBackend(args) => restore_backend::run(context, args).await,
        Command::Undo(args) => undo::run(context, args).await,
        Command::RecordKey(args) => record_key::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Attach(args) => attach::attach(context, args).await,
        Command::Cancel(args) => attach::cancel(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::History(args) => history::run(context, args).await,
        Command::Review(args) => review::run(context, args).await,
        Command::Actions(args) => actions::run(&mut context, &args).await,
        Command::Init => init::run(&context),
        Command::Envs(args) => envs::run(&context, &args),
        Command::Login(args) => login::run(&context, &args).await,
        Command::Whoami => whoami::run(context).await,
        #[cfg(feature = "local")]
        Command::Local(args) => local::run(context, args).await,
        #[cfg(not(feature = "local"))]
        Command::Local(_) => Err(quill_admin_operations::session::without_local()),
        Command::Completions(args) => completions::run(&context, tasks, &args),
        Command::Man(args) => man::run(&context, tasks, &args),
        Command::Version => Ok(context.reporter.version()),
        Command::Help(args) => help::run(&context, tasks, &args),
        Command::Reference(args) => Ok(reference::run(&context, tasks, &args)),
    }
}
