//! update-permissions: sets an existing user's system permission level, and nothing else.

use quill_admin_contract::{Outcome, PermissionLevel, Username};
use tokio_postgres::types::Type;

use super::{Work, user};
use crate::failure::ActionError;
use crate::sql;

pub(super) async fn perform(
    work: &Work<'_>,
    username: &Username,
    permission: PermissionLevel,
) -> Result<Outcome, ActionError> {
    let found = user::lock_existing(work, username).await?;
    let level = permission.as_str();
    if found.before.permission == level {
        return Ok(user::unchanged(found.before));
    }
    work.client.execute_typed(sql::SET_PERMISSION, &[(&found.id, Type::INT8), (&level, Type::TEXT)]).await?;
    user::updated(work, username, &found.before, false).await
}
