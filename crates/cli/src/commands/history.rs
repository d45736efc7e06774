//! `history`: lists the runs of the past, with who asked and the outcome.

use quill_admin_contract::Username;
use quill_admin_operations::error::CliError;
use quill_admin_operations::history;

use super::context::Context;
use super::guard::close;
use crate::args;

pub(super) async fn run(mut context: Context<'_>, args: args::History) -> Result<u8, CliError> {
    let user: Option<Username> = context.form.optional("--user", args.user.as_deref());
    context.need_environment();
    context.form.check()?;
    let since = history::since(args.since.as_deref())?;
    let environment = context.environment()?;
    let session = context.session(&environment).await?;
    let limit = usize::from(args.limit);
    let past = history::read(&session, since, user.as_ref(), limit).await;
    let code = past.map(|past| context.reporter.history(&environment, &past));
    close(context.reporter, session).await;
    code
}
