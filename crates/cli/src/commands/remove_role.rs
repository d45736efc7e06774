//! `remove-role`: takes a role from a user.

use quill_admin_contract::{ActionName, AdminAction};

use super::Context;
use crate::args::Role;
use crate::error::CliError;

pub(super) async fn run(context: Context<'_>, args: Role) -> Result<u8, CliError> {
    context
        .run_role_task(args, ActionName::RemoveRole, |username, role| AdminAction::RemoveRole {
            username,
            role,
        })
        .await
}
