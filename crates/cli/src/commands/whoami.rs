//! `whoami`: shows the account, and which permissions are missing.

use quill_admin_operations::error::CliError;

use super::context::Context;
use crate::report::WhoamiReport;

pub(super) async fn run(mut context: Context<'_>) -> Result<u8, CliError> {
    context.need_environment()?;
    context.form.check()?;
    let environment = context.environment()?;
    if !environment.has_surroundings() {
        return Ok(context.reporter.whoami(&WhoamiReport {
            environment: &environment,
            account: None,
            sign_in: None,
            granted: None,
        }));
    }
    let session = context.session(&environment).await?;
    let (granted, account) = tokio::join!(
        session.google().granted(&environment.job, environment.state_lock.as_ref()),
        session.account(),
    );
    let granted = granted?;
    Ok(context.reporter.whoami(&WhoamiReport {
        environment: &environment,
        account: account.as_deref(),
        sign_in: session.sign_in(),
        granted: Some(&granted),
    }))
}
