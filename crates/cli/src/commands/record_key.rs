//! `record-key`: makes the key that an environment's records are signed with.

use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::record_key;

use super::context::Context;
use super::guard::close;
use crate::args;

pub(super) async fn run(mut context: Context<'_>, args: args::RecordKey) -> Result<u8, CliError> {
    context.need_environment()?;
    context.form.check()?;
    let environment = context.environment()?;
    if environment.is_embedded() {
        return Err(CliError::usage(format!(
            "environment \"{}\" is on this machine, where nobody else writes records: they are not signed",
            environment.name
        ))
        .hint(hints::advice("see the other environments with", &hints::of_file("envs"))));
    }
    let secret = record_key::secret(&environment)?;
    context.gate(&environment, args.confirm.as_deref())?;
    context.confirm_settings(&environment)?;
    let reporter = context.reporter;
    let session = context.session(&environment).await?;
    reporter.record_key_plan(&environment, secret, context.form.attended());
    context.confirm(&environment, args.confirm.as_deref())?;
    let mut guard = context.guard();
    reporter.begin();
    let point = PointOfNoReturn::new("no key was stored");
    let made = guard.run(&point, Box::pin(record_key::renew(&session, &point))).await;
    let code = made.map(|key| reporter.record_key(&environment, &key));
    close(reporter, session).await;
    code
}
