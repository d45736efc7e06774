//! `history`: lists the runs of the past, with who asked and the outcome.

use quill_admin_contract::Username;
use quill_admin_operations::error::CliError;
use quill_admin_operations::history::{self, Filter};
use quill_admin_operations::own_file;

use super::context::Context;
use super::guard::close;
use crate::args;
use crate::report::{MARK, page};

pub(super) async fn run(mut context: Context<'_>, args: args::History) -> Result<u8, CliError> {
    let user: Option<Username> = context.form.optional("--user", args.user.as_deref());
    context.need_environment()?;
    context.form.check()?;
    let since = history::since(args.since.as_deref())?;
    let environment = context.environment()?;
    let session = context.session(&environment).await?;
    let limit = usize::from(args.limit);
    let file = args.html.map(|file| context.process.cwd.join(file));
    // Without the changes of runs, their rows are not shown either.
    let rows = context.global.verbose || args.csv || file.is_some();
    let filter = Filter { since, user, actor: args.actor, action: args.action, rows, limit };
    let past = history::read(&session, &filter).await;
    let reporter = context.reporter;
    let code = past.and_then(|past| {
        Ok(match file {
            Some(file) => {
                own_file::write(&file, MARK, &page(&environment, &filter, &past))?;
                reporter.history_page(&file, &past)
            }
            None if args.csv => reporter.history_table(&past),
            None => reporter.history(&environment, &filter, &past),
        })
    });
    close(context.reporter, session).await;
    code
}
