//! create-superadmin: makes a superadmin of a new or an existing user.

use quill_admin_contract::{
    CONSULTANT, Email, ExitCode, Outcome, PasswordHash, PermissionLevel, SYSTEM_ADMINISTRATOR, Username,
    Warning, WarningCode,
};
use tokio_postgres::types::{ToSql, Type};

use super::user::Locked;
use super::{Work, roles, user};
use crate::failure::{ActionError, Failed};
use crate::sql;

pub(super) async fn perform(
    work: &Work<'_>,
    username: &Username,
    email: &Email,
    hash: &PasswordHash,
) -> Result<Outcome, ActionError> {
    let role = roles::find(work, SYSTEM_ADMINISTRATOR).await?;
    let existing = user::lock(work, username, Some(hash)).await?;
    refuse_taken_email(work, username, email).await?;
    let mut outcome = match existing {
        Some(existing) => promote(work, username, email, hash, role, existing).await?,
        None => create(work, username, email, hash, role).await?,
    };
    if role.is_none() {
        warn_role_not_seeded(&mut outcome, username);
    }
    Ok(outcome)
}

/// Somebody may still take it between here and the write: then that fails, the transaction runs
/// again, and this finds them.
async fn refuse_taken_email(work: &Work<'_>, username: &Username, email: &Email) -> Result<(), ActionError> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&email.as_str(), Type::TEXT), (&username.as_str(), Type::TEXT)];
    let Some(row) = work.client.query_typed_opt(sql::EMAIL_OWNER, &parameters).await? else {
        return Ok(());
    };
    let owner: &str = row.try_get(0)?;
    let message = format!("the email {email} belongs to another user, {owner}; nothing was changed");
    Err(Failed::new(ExitCode::EmailTaken, message).into())
}

async fn create(
    work: &Work<'_>,
    username: &Username,
    email: &Email,
    hash: &PasswordHash,
    role: Option<i64>,
) -> Result<Outcome, ActionError> {
    let statement = sql::insert_user(work.schema.email_verified);
    let row = work
        .client
        .query_typed_opt(
            statement,
            &[
                (&username.as_str(), Type::TEXT),
                (&email.as_str(), Type::TEXT),
                (&hash.expose(), Type::TEXT),
                (&CONSULTANT, Type::TEXT),
                (&PermissionLevel::Superadmin.as_str(), Type::TEXT),
            ],
        )
        .await?;
    // Somebody else just made this user: the next round finds and promotes them.
    let id = row.ok_or(ActionError::Overtaken)?.try_get(0)?;
    if let Some(role) = role {
        roles::give(work, id, role).await?;
    }
    let user = user::read(work, username).await?.ok_or(ActionError::Overtaken)?;
    let changes = user::changes(None, &user, true);
    let warnings = user::warnings(&user);
    Ok(Outcome::Created { user, changes, warnings })
}

/// Leaves alone what a person may have decided: an inactive account, one-time codes, other roles,
/// competencies.
async fn promote(
    work: &Work<'_>,
    username: &Username,
    email: &Email,
    hash: &PasswordHash,
    role: Option<i64>,
    existing: Locked,
) -> Result<Outcome, ActionError> {
    let before = &existing.before;
    let row_is_so = existing.same_hash
        && before.email == email.as_str()
        && before.permission == PermissionLevel::Superadmin.as_str()
        && before.base_profession == CONSULTANT
        && before.email_verified != Some(false);
    let has_role = before.roles.iter().any(|name| name == SYSTEM_ADMINISTRATOR);
    if row_is_so && (has_role || role.is_none()) {
        return Ok(user::unchanged(existing.before));
    }
    if !row_is_so {
        let statement = sql::promote_user(work.schema.email_verified);
        work.client
            .execute_typed(
                statement,
                &[
                    (&existing.id, Type::INT8),
                    (&email.as_str(), Type::TEXT),
                    (&hash.expose(), Type::TEXT),
                    (&CONSULTANT, Type::TEXT),
                    (&PermissionLevel::Superadmin.as_str(), Type::TEXT),
                ],
            )
            .await?;
    }
    if let Some(role) = role.filter(|_| !has_role) {
        roles::give(work, existing.id, role).await?;
    }
    user::updated(work, username, before, !existing.same_hash).await
}

fn warn_role_not_seeded(outcome: &mut Outcome, username: &Username) {
    let (Outcome::Created { warnings, .. }
    | Outcome::Updated { warnings, .. }
    | Outcome::Unchanged { warnings, .. }) = outcome
    else {
        return;
    };
    let message = format!(
        "the role {SYSTEM_ADMINISTRATOR} is not in the database yet, so {username} does not have it: once the \
         application has started there, give it with `quill-admin add-role`"
    );
    warnings.push(Warning { code: WarningCode::RoleNotSeeded, message });
}
