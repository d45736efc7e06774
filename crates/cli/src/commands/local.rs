//! `local …`: the embedded environment on this machine.

use crate::args::Local;
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::prompt::Interrupt;
use crate::world::{self, World};

use super::Context;

pub(super) async fn run(mut context: Context<'_>, args: Local) -> Result<u8, CliError> {
    let environment = emulated(&context)?;
    let state = world::local::state_dir(&environment)?;
    match args {
        Local::Status => {
            let status = quill_admin_local::status(&state).map_err(world::local::error)?;
            let contents = if status.exists && !status.in_use {
                Some(count(&context, &environment).await?)
            } else {
                None
            };
            Ok(context.reporter.local_status(&status, contents))
        }
        Local::Reset { yes } => {
            if !yes {
                context.form.need("--yes");
                context.form.check()?;
                let question = format!("Delete everything below {}?", state.display());
                if !context.form.confirm(&question)? {
                    return Err(CliError::usage("not confirmed; nothing was deleted"));
                }
            }
            let existed = quill_admin_local::reset(&state).map_err(world::local::error)?;
            Ok(context.reporter.local_reset(&state, existed))
        }
        Local::Serve => serve(&context, &environment).await,
    }
}

/// The environment that `local` is about: that of `--env`, or the file's only emulated one.
fn emulated(context: &Context<'_>) -> Result<Environment, CliError> {
    let config = context.config()?;
    if let Some(name) = &context.global.env {
        return config.environment(name);
    }
    let names: Vec<String> = config.names().map(str::to_owned).collect();
    for name in names {
        let environment = config.environment(&name)?;
        if matches!(environment.place, Place::Embedded { .. }) {
            return Ok(environment);
        }
    }
    Err(CliError::usage(format!("{} has no environment with \"emulated: true\"", config.path().display())))
}

async fn open(context: &Context<'_>, environment: &Environment) -> Result<World, CliError> {
    context.questions.end();
    World::open(environment, context.process, None, context.global.runner)?
        .wait(&|event| context.reporter.event(event))
        .await
}

async fn count(
    context: &Context<'_>,
    environment: &Environment,
) -> Result<quill_admin_local::Contents, CliError> {
    let world = open(context, environment).await?;
    let contents = match world.local() {
        Some(local) => local.contents().await.map_err(world::local::error),
        None => Err(CliError::usage("this environment is not an emulated one")),
    };
    world.close().await?;
    contents
}

/// Runs until Ctrl-C, or until stdin is closed when it is a pipe: so that a program that started
/// this one need not stop it.
async fn serve(context: &Context<'_>, environment: &Environment) -> Result<u8, CliError> {
    let mut interrupt = Interrupt::listen();
    let world = open(context, environment).await?;
    if let Some(local) = world.local() {
        context.reporter.local_serving(local.endpoint(), local.database_url());
    }
    if context.process.stdin_is_terminal {
        interrupt.wait().await;
    } else {
        tokio::select! {
            _ = interrupt.wait() => {}
            () = stdin_closed() => {}
        }
    }
    world.close().await?;
    Ok(0)
}

async fn stdin_closed() {
    // A failing read is an end, too.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
}
