//! add-role: gives an existing user a role.

use quill_admin_contract::{Outcome, RoleName, Username};

use super::{Work, roles, user};
use crate::failure::ActionError;

pub(super) async fn perform(
    work: &Work<'_>,
    username: &Username,
    role: &RoleName,
) -> Result<Outcome, ActionError> {
    let found = user::lock_existing(work, username).await?;
    let id = roles::find_existing(work, role).await?;
    if found.before.roles.iter().any(|name| name == role.as_str()) {
        return Ok(user::unchanged(found.before));
    }
    roles::give(work, found.id, id).await?;
    user::updated(work, username, &found.before, false).await
}
