//! `whoami`: who calls, and which permissions are missing.

use super::Context;
use crate::config::Place;
use crate::error::CliError;
use crate::report::WhoamiReport;

pub(super) async fn run(mut context: Context<'_>) -> Result<u8, CliError> {
    context.need_environment();
    context.form.check()?;
    let environment = context.environment()?;
    if matches!(environment.place, Place::Embedded { .. }) {
        return Ok(context.reporter.whoami(&WhoamiReport {
            environment: &environment,
            account: None,
            sign_in: None,
            granted: None,
        }));
    }
    let opening = context.open_environment(&environment)?;
    let world = opening.wait(&|event| context.reporter.event(event)).await?;
    let granted = world.google.granted(&environment.job, environment.state_lock.as_ref()).await?;
    let account = world.account().await;
    Ok(context.reporter.whoami(&WhoamiReport {
        environment: &environment,
        account: account.as_deref(),
        sign_in: world.sign_in.as_ref(),
        granted: Some(&granted),
    }))
}
