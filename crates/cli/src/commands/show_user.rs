//! `show-user`: shows a user's levels, roles, and whether they can log in.

use quill_admin_contract::{ActionName, AdminAction, Username};

use super::Context;
use super::task::Task;
use crate::args::ShowUser;
use crate::error::CliError;

pub(super) async fn run(mut context: Context<'_>, args: ShowUser) -> Result<u8, CliError> {
    let username = context.form.flag::<Username>("--username", args.username.as_deref());
    let options = context.task_options(ActionName::ShowUser, args.task);
    context.need_environment();
    context.form.check()?;

    let (environment, opening) = context.open_for_task(&options)?;
    let username = context.form.text(username, "Username")?;
    let task = Task {
        environment,
        opening,
        username: Some(username.clone()),
        options,
        action: async move { Ok(AdminAction::ShowUser { username }) },
        generated_password: None,
    };
    context.run_task(task).await
}
