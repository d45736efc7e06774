//! `update-permissions`: sets a user's system permission level.

use quill_admin_contract::{ActionName, AdminAction, PermissionLevel, Username};

use super::Context;
use super::task::Task;
use crate::args::UpdatePermissions;
use crate::error::CliError;
use crate::prompt::{Choice, Field};

pub(super) async fn run(mut context: Context<'_>, args: UpdatePermissions) -> Result<u8, CliError> {
    let username = context.form.flag::<Username>("--username", args.username.as_deref());
    let permission = context.form.flag::<PermissionLevel>("--permission", args.permission.as_deref());
    let options = context.task_options(ActionName::UpdatePermissions, args.task);
    context.need_environment();
    context.form.check()?;

    let (environment, opening) = context.open_for_task(&options)?;
    let username = context.form.text(username, "Username")?;
    let permission = match permission {
        Field::Given(permission) => permission,
        Field::Open => {
            let choices = PermissionLevel::ALL
                .map(|level| Choice { name: level.to_string(), note: level.access().to_owned() });
            PermissionLevel::ALL[context.form.choose("Permission level", &choices)?]
        }
    };
    let task = Task {
        environment,
        opening,
        username: Some(username.clone()),
        options,
        action: async move { Ok(AdminAction::UpdatePermissions { username, permission }) },
        generated_password: None,
    };
    context.run_task(task).await
}
