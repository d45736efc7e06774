//! A result in words: the message of the last line.

use quill_admin_contract::{AdminAction, Change, DatabaseReport, FieldValue, KNOWN_ROLES, Outcome, SubjectState};

/// What came of the action, on one line.
pub(crate) fn result(action: &AdminAction, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Created { subject, .. } => format!(
            "created user {}: {}, {}, {}",
            subject.name(),
            text(subject, "permission"),
            text(subject, "base_profession"),
            roles(subject)
        ),
        Outcome::Updated { subject, changes, .. } => {
            let changes: Vec<String> = changes.iter().map(change).collect();
            format!("updated user {}: {}", subject.name(), changes.join(", "))
        }
        Outcome::Unchanged { subject, .. } => format!("nothing to change: {}", already(action, subject.name())),
        Outcome::Found { subject, .. } => found(subject),
        Outcome::Checked { database, .. } => checked(database),
        Outcome::Failed { failure } => failure.message.clone(),
        // Only a reader meets these.
        Outcome::Other(other) => other.result.clone(),
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::Field { field, old, new } => {
            let field = match field.as_str() {
                "permission" => "permission level",
                "base_profession" => "base profession",
                "totp_enabled" => "one-time codes",
                "email_verified" => "email verified",
                other => other,
            };
            let new = new.as_deref().unwrap_or_default();
            match old {
                Some(old) => format!("{field} {old} → {new}"),
                None => format!("{field} {new}"),
            }
        }
        Change::Hidden { .. } => "password replaced".to_owned(),
        Change::Added { item, .. } => format!("role {item} added"),
        Change::Removed { item, .. } => format!("role {item} removed"),
        // Only a reader meets these.
        Change::Other(_) => "something else".to_owned(),
    }
}

fn already(action: &AdminAction, name: &str) -> String {
    match action {
        AdminAction::CreateSuperadmin { .. } => {
            format!("{name} is a superadmin already, with this email and password")
        }
        AdminAction::UpdatePermissions { permission, .. } => {
            format!("{name} has the permission level {permission} already")
        }
        AdminAction::AddRole { role, .. } => format!("{name} has the role {role} already"),
        AdminAction::RemoveRole { role, .. } => format!("{name} does not have the role {role}"),
        AdminAction::ShowUser { .. } | AdminAction::Check => name.to_owned(),
    }
}

/// A field of a user as a text; empty where there is none.
fn text(user: &SubjectState, field: &str) -> String {
    user.fields.get(field).map(ToString::to_string).unwrap_or_default()
}

fn is(user: &SubjectState, field: &str) -> Option<bool> {
    match user.fields.get(field) {
        Some(FieldValue::Boolean(value)) => Some(*value),
        _ => None,
    }
}

fn found(user: &SubjectState) -> String {
    let mut parts = vec![
        format!("email {}", text(user, "email")),
        format!("permission level {}", text(user, "permission")),
        format!("base profession {}", text(user, "base_profession")),
        roles(user),
        (if is(user, "active") == Some(true) { "active" } else { "inactive" }).to_owned(),
        format!("one-time codes {}", if is(user, "totp_enabled") == Some(true) { "on" } else { "off" }),
    ];
    if let Some(verified) = is(user, "email_verified") {
        parts.push((if verified { "email verified" } else { "email not verified" }).to_owned());
    }
    format!("user {}: {}", user.name(), parts.join(", "))
}

fn roles(user: &SubjectState) -> String {
    match user.fields.get("roles") {
        Some(FieldValue::List(roles)) if roles.len() == 1 => format!("role {}", roles[0]),
        Some(FieldValue::List(roles)) if !roles.is_empty() => format!("roles {}", roles.join(" and ")),
        _ => "no role".to_owned(),
    }
}

fn checked(database: &DatabaseReport) -> String {
    let known = KNOWN_ROLES.len();
    format!(
        "tasks {} here: PostgreSQL {}, database {} as {}, {}, tables of {}, {} of {known} roles",
        if database.writable { "can run" } else { "can only read" },
        database.server_version,
        database.database,
        database.user,
        database.tls.as_deref().unwrap_or("no TLS"),
        if database.columns.is_empty() { "March 2026" } else { "August 2026 or later" },
        known - database.expected.iter().map(|expected| expected.missing.len()).sum::<usize>(),
    )
}
