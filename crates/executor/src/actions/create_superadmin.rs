//! create-superadmin: makes a superadmin of a new or an existing user.

use quill_admin_contract::look::{Look, spelled_out};
use quill_admin_contract::{
    CONSULTANT, Change, Email, ExitCode, Outcome, PasswordHash, PermissionLevel, SYSTEM_ADMINISTRATOR,
    Username, Warning, warning_code,
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
    if outcome
        .changes()
        .iter()
        .any(|change| matches!(change, Change::Field { field, .. } if field == "email"))
        && let Some(warning) = similar_email(work, username, email).await?
    {
        warn(&mut outcome, warning);
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

/// The warning that somebody else has what is most often the same mailbox. The database compares emails
/// exactly, as the application does.
async fn similar_email(
    work: &Work<'_>,
    username: &Username,
    email: &Email,
) -> Result<Option<Warning>, ActionError> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&email.as_str(), Type::TEXT), (&username.as_str(), Type::TEXT)];
    let Some(row) = work.client.query_typed_opt(sql::SIMILAR_EMAIL, &parameters).await? else {
        return Ok(None);
    };
    let (owner, other): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let message = format!(
        "the email {} differs from that of another user, {} ({}), by upper and lower case only",
        spelled_out(email.as_str()),
        spelled_out(owner),
        spelled_out(other)
    );
    Ok(Some(Warning::new(warning_code::LOOK_ALIKE, message)))
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
    let mut warnings = user::warnings(&user);
    warnings.extend(look_alikes(work, username).await?);
    Ok(Outcome::Created { subject: user.into(), changes, warnings })
}

/// How many look-alikes are named.
const NAMED: usize = 3;

/// The warning that other users' names look like this new one. Whoever is made at the same moment, in a
/// transaction that has not come to its end, is not seen.
async fn look_alikes(work: &Work<'_>, username: &Username) -> Result<Option<Warning>, ActionError> {
    let own = Look::of(username.as_str());
    let rows = work.client.query_typed(sql::OTHER_USERNAMES, &[(&username.as_str(), Type::TEXT)]).await?;
    let mut found = Vec::new();
    for row in rows {
        let other: String = row.try_get(0)?;
        if let Some(likeness) = own.likeness(&Look::of(&other)) {
            found.push((other, likeness));
        }
    }
    found.sort_unstable();
    let Some((other, likeness)) = found.first() else { return Ok(None) };
    let message = if found.len() == 1 {
        format!(
            "the new name {} looks like another user's, {}: {likeness}",
            spelled_out(username.as_str()),
            spelled_out(other)
        )
    } else {
        let names: Vec<String> = found.iter().take(NAMED).map(|(name, _)| spelled_out(name)).collect();
        let more = found.len() - names.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "the new name {} looks like those of other users: {}{more}",
            spelled_out(username.as_str()),
            names.join(", ")
        )
    };
    Ok(Some(Warning::new(warning_code::LOOK_ALIKE, message)))
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
    let message = format!(
        "the role {SYSTEM_ADMINISTRATOR} is not in the database yet, so {username} does not have it: once the \
         application has started there, give it with `quill-admin add-role`"
    );
    warn(outcome, Warning::new("role_not_seeded", message));
}

fn warn(outcome: &mut Outcome, warning: Warning) {
    if let Outcome::Created { warnings, .. }
    | Outcome::Updated { warnings, .. }
    | Outcome::Unchanged { warnings, .. } = outcome
    {
        warnings.push(warning);
    }
}
