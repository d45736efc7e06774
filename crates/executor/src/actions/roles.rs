//! Roles: finding them, giving and taking them.

use quill_admin_contract::{ExitCode, Failure, RoleName};
use tokio_postgres::types::Type;

use super::Work;
use crate::failure::{ActionError, Failed};
use crate::sql;

/// The id of a role, where the database has it.
pub(super) async fn find(work: &Work<'_>, name: &str) -> Result<Option<i64>, ActionError> {
    let row = work.client.query_typed_opt(sql::ROLE, &[(&name, Type::TEXT)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// As [`find`], for actions that need the role: without it the answer lists those there are.
pub(super) async fn find_existing(work: &Work<'_>, name: &RoleName) -> Result<i64, ActionError> {
    if let Some(id) = find(work, name.as_str()).await? {
        return Ok(id);
    }
    let available_roles = all(work).await?;
    let list = if available_roles.is_empty() {
        "the database has no roles yet: the application puts them there when it starts".to_owned()
    } else {
        format!("the database has: {}", available_roles.join(", "))
    };
    let message = format!("there is no role {name}; {list}; nothing was changed");
    let failure = Failure { available: available_roles, ..Failure::new(message) };
    Err(Failed { code: ExitCode::RoleNotFound, failure }.into())
}

/// The names of all roles, sorted.
pub(super) async fn all(work: &Work<'_>) -> Result<Vec<String>, ActionError> {
    let rows = work.client.query_typed(sql::ROLES, &[]).await?;
    let mut names = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    // Not by the server, whose order depends on the database's collation.
    names.sort_unstable();
    Ok(names)
}

/// Gives a user a role; having it already is fine.
pub(super) async fn give(work: &Work<'_>, user: i64, role: i64) -> Result<(), ActionError> {
    work.client.execute_typed(sql::GIVE_ROLE, &[(&user, Type::INT8), (&role, Type::INT8)]).await?;
    Ok(())
}

/// Takes a role from a user.
pub(super) async fn take(work: &Work<'_>, user: i64, role: i64) -> Result<(), ActionError> {
    work.client.execute_typed(sql::TAKE_ROLE, &[(&user, Type::INT8), (&role, Type::INT8)]).await?;
    Ok(())
}
