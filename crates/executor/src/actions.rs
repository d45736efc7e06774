//! The actions: one file each, and each only does its job. Connection, transaction, signals and
//! results are the harness's.

mod add_role;
mod check;
mod create_superadmin;
mod remove_role;
mod roles;
mod show_user;
mod update_permissions;
mod user;
mod work;

use quill_admin_contract::{AdminAction, Outcome};

use crate::failure::ActionError;

pub(crate) use work::Work;

/// Does the action. Nothing of it is permanent yet.
pub(crate) async fn perform(work: &Work<'_>, action: &AdminAction) -> Result<Outcome, ActionError> {
    match action {
        AdminAction::CreateSuperadmin { username, email, password_hash } => {
            create_superadmin::perform(work, username, email, password_hash).await
        }
        AdminAction::UpdatePermissions { username, permission } => {
            update_permissions::perform(work, username, *permission).await
        }
        AdminAction::AddRole { username, role } => add_role::perform(work, username, role).await,
        AdminAction::RemoveRole { username, role } => remove_role::perform(work, username, role).await,
        AdminAction::ShowUser { username } => show_user::perform(work, username).await,
        AdminAction::Check => check::perform(work).await,
    }
}
