//! `actions`: lists the actions that the application's folder declares, with `--env` together with those of
//! the deployed image. `actions check` tries their statements, `actions test` runs the golden cases.

use quill_admin_operations::error::CliError;

use super::actions_deployed::look;
use super::context::Context;
use crate::args::{Actions, ActionsCommand};

pub(super) async fn run(context: &mut Context<'_>, args: &Actions) -> Result<u8, CliError> {
    let application = context.application()?;
    let compiled = application.actions(context.process)?;
    match &args.command {
        None if context.global.env.is_some() => {
            let environment = context.environment()?;
            let deployed = look(context, &environment, &application, &compiled.actions).await?;
            Ok(context.reporter.actions(&application, &compiled.actions, Some(&deployed)))
        }
        None => Ok(context.reporter.actions(&application, &compiled.actions, None)),
        Some(ActionsCommand::Check(args)) => check(context, &application, &compiled, args).await,
        Some(ActionsCommand::Test(args)) => test(context, &application, &compiled, args).await,
    }
}

#[cfg(feature = "local")]
use super::actions_check::check;
#[cfg(feature = "local")]
use super::actions_test::test;

/// Without PostgreSQL in this program only the file is checked, and the report says so.
#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "there is nothing to wait for")]
async fn check(
    context: &Context<'_>,
    application: &quill_admin_operations::config::Application,
    compiled: &quill_admin_application::Application,
    args: &crate::args::ActionsCheck,
) -> Result<u8, CliError> {
    if args.schema.is_some() {
        return Err(quill_admin_operations::session::without_local());
    }
    let actions = compiled.actions.iter().count();
    Ok(context.reporter.actions_checked(&crate::report::Checked { application, actions, tried: None }))
}

/// Without PostgreSQL in this program no case can be run, so the command fails.
#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "there is nothing to wait for")]
async fn test(
    _context: &Context<'_>,
    _application: &quill_admin_operations::config::Application,
    _compiled: &quill_admin_application::Application,
    _args: &crate::args::ActionsTest,
) -> Result<u8, CliError> {
    Err(quill_admin_operations::session::without_local())
}
