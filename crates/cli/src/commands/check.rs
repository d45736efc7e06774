//! `check`: looks whether tasks can run, from inside the network of the database.

use quill_admin_contract::{ActionName, AdminAction};

use super::Context;
use super::task::Task;
use crate::args;
use crate::error::CliError;

pub(super) async fn run(mut context: Context<'_>, args: args::Task) -> Result<u8, CliError> {
    let options = context.task_options(ActionName::Check, args);
    context.need_environment();
    context.form.check()?;

    let (environment, opening) = context.open_for_task(&options)?;
    let task = Task {
        environment,
        opening,
        username: None,
        options,
        action: async { Ok(AdminAction::Check) },
        generated_password: None,
    };
    context.run_task(task).await
}
