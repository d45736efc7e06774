//! Users: taking their row, reading them, telling what changed.

use std::collections::BTreeMap;

use quill_admin_contract::{
    Change, ExitCode, FieldValue, Outcome, PasswordHash, SubjectState, Username, Warning,
};
use tokio_postgres::types::{ToSql, Type};

use super::Work;
use crate::failure::{ActionError, Failed};
use crate::sql;

/// A user as the database holds them.
#[derive(Clone)]
pub(super) struct UserState {
    pub(super) username: String,
    pub(super) email: String,
    pub(super) permission: String,
    pub(super) base_profession: String,
    /// Sorted.
    pub(super) roles: Vec<String>,
    pub(super) active: bool,
    pub(super) totp_enabled: bool,
    /// `None` where the database has no such column yet.
    pub(super) email_verified: Option<bool>,
}

impl From<UserState> for SubjectState {
    fn from(user: UserState) -> Self {
        let mut fields: BTreeMap<String, FieldValue> = [
            ("email", FieldValue::Text(user.email)),
            ("permission", FieldValue::Text(user.permission)),
            ("base_profession", FieldValue::Text(user.base_profession)),
            ("roles", FieldValue::List(user.roles)),
            ("active", FieldValue::Boolean(user.active)),
            ("totp_enabled", FieldValue::Boolean(user.totp_enabled)),
        ]
        .map(|(field, value)| (field.to_owned(), value))
        .into();
        let verified = user.email_verified.map(FieldValue::Boolean);
        fields.extend(verified.map(|value| ("email_verified".to_owned(), value)));
        Self { kind: "user".to_owned(), key: Some(user.username), fields }
    }
}

/// A user whose row belongs to this transaction.
pub(super) struct Locked {
    pub(super) id: i64,
    /// Whether the stored password hash is the one that was asked about.
    pub(super) same_hash: bool,
    /// The user as they were.
    pub(super) before: UserState,
}

/// Takes the row of a user, and waits for it where it is taken.
pub(super) async fn lock(
    work: &Work<'_>,
    username: &Username,
    hash: Option<&PasswordHash>,
) -> Result<Option<Locked>, ActionError> {
    let hash = hash.map(PasswordHash::expose);
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&username.as_str(), Type::TEXT), (&hash, Type::TEXT)];
    let Some(row) = work.client.query_typed_opt(sql::LOCK_USER, &parameters).await? else {
        return Ok(None);
    };
    let (id, same_hash) = (row.try_get(0)?, row.try_get::<_, Option<bool>>(1)?.unwrap_or(false));
    // Nobody can delete it any more.
    let before = read(work, username).await?.ok_or(ActionError::Overtaken)?;
    Ok(Some(Locked { id, same_hash, before }))
}

/// As [`lock`], for actions that need the user to exist.
pub(super) async fn lock_existing(work: &Work<'_>, username: &Username) -> Result<Locked, ActionError> {
    lock(work, username, None).await?.ok_or_else(|| not_found(username).into())
}

/// A user as the database holds them now.
pub(super) async fn read(work: &Work<'_>, username: &Username) -> Result<Option<UserState>, ActionError> {
    let statement = sql::user(work.schema.email_verified);
    let Some(row) = work.client.query_typed_opt(statement, &[(&username.as_str(), Type::TEXT)]).await? else {
        return Ok(None);
    };
    let mut roles: Vec<String> = row.try_get(7)?;
    roles.sort_unstable();
    Ok(Some(UserState {
        username: row.try_get(0)?,
        email: row.try_get(1)?,
        permission: row.try_get(2)?,
        base_profession: row.try_get(3)?,
        roles,
        active: row.try_get(4)?,
        totp_enabled: row.try_get(5)?,
        email_verified: row.try_get(6)?,
    }))
}

pub(super) fn not_found(username: &Username) -> Failed {
    let message = format!(
        "there is no user {username} (names are compared exactly, upper and lower case included); nothing was changed"
    );
    Failed::new(ExitCode::UserNotFound, message)
}

/// The outcome of a change to an existing user: reads them again, so that it tells what is, and not
/// what was intended.
pub(super) async fn updated(
    work: &Work<'_>,
    username: &Username,
    before: &UserState,
    password_replaced: bool,
) -> Result<Outcome, ActionError> {
    let user = read(work, username).await?.ok_or(ActionError::Overtaken)?;
    let changes = changes(Some(before), &user, password_replaced);
    if changes.is_empty() {
        let message = "a trigger or rule of the database undid the change; nothing was changed";
        return Err(Failed::new(ExitCode::SchemaMismatch, message).into());
    }
    let warnings = warnings(&user);
    Ok(Outcome::Updated { subject: user.into(), changes, warnings })
}

/// The outcome where there was nothing to do.
pub(super) fn unchanged(user: UserState) -> Outcome {
    let warnings = warnings(&user);
    Outcome::Unchanged { subject: user.into(), warnings }
}

/// What is different between a user before and after; a new user has no before.
pub(super) fn changes(before: Option<&UserState>, after: &UserState, password: bool) -> Vec<Change> {
    let text = |flag: bool| flag.to_string();
    let fields = [
        ("email", before.map(|user| user.email.clone()), Some(after.email.clone())),
        ("permission", before.map(|user| user.permission.clone()), Some(after.permission.clone())),
        (
            "base_profession",
            before.map(|user| user.base_profession.clone()),
            Some(after.base_profession.clone()),
        ),
        ("active", before.map(|user| text(user.active)), Some(text(after.active))),
        ("totp_enabled", before.map(|user| text(user.totp_enabled)), Some(text(after.totp_enabled))),
        (
            "email_verified",
            before.and_then(|user| user.email_verified.map(text)),
            after.email_verified.map(text),
        ),
    ];
    let mut changes: Vec<Change> = fields
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(field, old, new)| Change::Field { field: field.to_owned(), old, new })
        .collect();
    if password {
        changes.push(Change::Hidden { field: "password".to_owned() });
    }
    let roles_before: &[String] = before.map_or(&[], |user| &user.roles);
    let added = after.roles.iter().filter(|role| !roles_before.contains(role));
    changes.extend(added.map(|role| Change::Added { field: "roles".to_owned(), item: role.clone() }));
    let removed = roles_before.iter().filter(|role| !after.roles.contains(role));
    changes.extend(removed.map(|role| Change::Removed { field: "roles".to_owned(), item: role.clone() }));
    changes
}

/// What keeps a user from logging in although the task was done.
pub(super) fn warnings(user: &UserState) -> Vec<Warning> {
    let name = &user.username;
    let mut warnings = Vec::new();
    if !user.active {
        let message = format!("the account {name} is inactive and still cannot log in");
        warnings.push(Warning::new("account_inactive", message));
    }
    if user.email_verified == Some(false) {
        let message = format!("the email of {name} is not verified: the account cannot log in until it is");
        warnings.push(Warning::new("email_not_verified", message));
    }
    warnings
}
