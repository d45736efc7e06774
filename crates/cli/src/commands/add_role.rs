//! `add-role`: gives a user a role.

use quill_admin_contract::{ActionName, AdminAction};

use super::Context;
use crate::args::Role;
use crate::error::CliError;

pub(super) async fn run(context: Context<'_>, args: Role) -> Result<u8, CliError> {
    context
        .run_role_task(args, ActionName::AddRole, |username, role| AdminAction::AddRole { username, role })
        .await
}
