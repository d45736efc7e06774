//! `local …`: commands for the embedded environment on this machine.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use quill_admin_contract::ExitCode;
use quill_admin_local::{Holder, LocalError};
use quill_admin_operations::config::{Application, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::{Session, local};

use crate::args::Local;

use super::context::Context;
use super::guard::{Guard, close};

pub(super) async fn run(mut context: Context<'_>, args: Local) -> Result<u8, CliError> {
    let environment = embedded(&context)?;
    let state = environment.state_dir().map(Path::to_owned).ok_or_else(|| not_embedded(&environment))?;
    let unusable = |error| local::error(error, Some(&environment.name));
    match args {
        Local::Status => {
            let status = quill_admin_local::status(&state).map_err(unusable)?;
            let mut refused = refusal(&context, &environment, &status)?;
            if status.exists && !status.in_use && refused.is_none() {
                refused = quill_admin_local::countable(&state).err().map(unusable);
            }
            let contents = if status.exists && !status.in_use && refused.is_none() {
                count(&context, &environment).await?
            } else {
                None
            };
            Ok(context.reporter.local_status(&status, contents, refused.as_ref()))
        }
        Local::Reset { yes } => {
            if !yes {
                context.form.need("--yes");
                context.form.check()?;
                let question = format!("Delete everything below {}?", state.display());
                if !context.form.confirm(&question)? {
                    return Err(CliError::new(ExitCode::Interrupted, "not confirmed; nothing was deleted"));
                }
            }
            let (emit, name) = (context.emit(), environment.name.clone());
            let on_wait = move |holder: &Holder| emit(Event::Waiting(local::waiting(&name, holder)));
            let on_begin = |bytes| context.reporter.local_resetting(&state, bytes);
            let existed =
                quill_admin_local::reset_in_turn(&state, on_wait, on_begin).await.map_err(unusable)?;
            Ok(context.reporter.local_reset(&state, existed))
        }
        Local::Serve => serve(&context, &environment).await,
    }
}

/// The environment that `local` uses: that of `--env`, or the file's first emulated one. A variable that is set for
/// all commands chooses among those alone.
fn embedded(context: &Context<'_>) -> Result<Environment, CliError> {
    let config = context.config()?;
    let global = &context.global;
    if let Some(name) = global.env.as_ref().filter(|_| global.env_is_named) {
        return config.environment(name);
    }
    let first = global.env.clone().into_iter();
    let names: Vec<String> = first.chain(config.names().map(str::to_owned)).collect();
    for name in names.iter().filter(|name| config.names().any(|known| known == *name)) {
        let environment = config.environment(name)?;
        if environment.is_embedded() {
            return Ok(environment);
        }
    }
    Err(CliError::usage(format!("{} has no environment with \"emulated: true\"", config.path().display())))
}

fn not_embedded(environment: &Environment) -> CliError {
    CliError::usage(format!("environment \"{}\" is not an emulated one", environment.name))
        .hint("leave out --env: the first emulated environment of the file is used then")
}

/// The reason why an existing environment is not started where it was made with other tables.
fn refusal(
    context: &Context<'_>,
    environment: &Environment,
    status: &quill_admin_local::Status,
) -> Result<Option<CliError>, CliError> {
    let tables = local::tables(&Application::of(&environment.source), context.process)?;
    let refused = status.exists && status.tables != Some(tables.digest());
    Ok(refused.then(|| {
        let (directory, schema) = (status.directory.clone(), tables.schema.name);
        local::error(LocalError::OtherTables { directory, schema }, Some(&environment.name))
    }))
}

async fn open(
    context: &Context<'_>,
    guard: &mut Guard,
    environment: &Environment,
) -> Result<Session, CliError> {
    let opening = Box::pin(context.session(environment));
    guard.run(&PointOfNoReturn::new("nothing was changed"), opening).await
}

async fn count(
    context: &Context<'_>,
    environment: &Environment,
) -> Result<Option<quill_admin_local::Contents>, CliError> {
    let session = open(context, &mut context.guard(), environment).await?;
    let contents = match session.local() {
        Some(local) => {
            local.contents().await.map(Some).map_err(|error| local::error(error, Some(&environment.name)))
        }
        // Another process has begun to serve it in this moment.
        None => Ok(None),
    };
    close(context.reporter, session).await;
    contents
}

/// Runs until Ctrl-C, or until stdin is closed when it is a pipe, so that a program that started this one
/// need not stop it.
async fn serve(context: &Context<'_>, environment: &Environment) -> Result<u8, CliError> {
    let mut guard = context.guard();
    let opening = Box::pin(context.session_alone(environment));
    let session = guard.run(&PointOfNoReturn::new("nothing was changed"), opening).await?;
    if let Some(local) = session.local() {
        local.serve().map_err(|error| local::error(error, Some(&environment.name)))?;
        context.reporter.local_serving(local.endpoint(), local.database_url(), local.control_token());
    }
    tokio::select! {
        _ = guard.stopped() => {}
        () = stdin_closed(), if !io::stdin().is_terminal() => {
            guard.tell("stdin has come to its end, and \"local serve\" ends with it");
        }
        // Nobody can know the addresses; that they could not be written has been reported.
        () = context.reporter.stdout_lost() => {}
    }
    close(context.reporter, session).await;
    Ok(0)
}

async fn stdin_closed() {
    // A read that fails is an end, too.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
}
