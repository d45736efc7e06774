//! `add-role`: gives a user a role.

use quill_admin_contract::AdminAction;

use super::Context;
use crate::args::Role;
use crate::error::CliError;

pub(super) async fn run(context: Context<'_>, args: Role) -> Result<u8, CliError> {
    context.run_role_task(args, |username, role| AdminAction::AddRole { username, role }).await
}
