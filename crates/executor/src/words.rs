//! A result in words: the message of the last line.

use quill_admin_contract::{AdminAction, Change, DatabaseReport, KNOWN_ROLES, Outcome, UserState};

/// What came of the action, on one line.
pub(crate) fn result(action: &AdminAction, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Created { user, .. } => format!(
            "created user {}: {}, {}, {}",
            user.username,
            user.permission,
            user.base_profession,
            roles(user)
        ),
        Outcome::Updated { user, changes, .. } => {
            let changes: Vec<String> = changes.iter().map(change).collect();
            format!("updated user {}: {}", user.username, changes.join(", "))
        }
        Outcome::Unchanged { user, .. } => format!("nothing to change: {}", already(action, user)),
        Outcome::Found { user, .. } => found(user),
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
            match old {
                Some(old) => format!("{field} {old} → {new}"),
                None => format!("{field} {new}"),
            }
        }
        Change::Password => "password replaced".to_owned(),
        Change::RoleAdded { role } => format!("role {role} added"),
        Change::RoleRemoved { role } => format!("role {role} removed"),
        // Only a reader meets these.
        Change::Other(_) => "something else".to_owned(),
    }
}

fn already(action: &AdminAction, user: &UserState) -> String {
    let name = &user.username;
    match action {
        AdminAction::CreateSuperadmin { .. } => {
            format!("{name} is a superadmin already, with this email and password")
        }
        AdminAction::UpdatePermissions { permission, .. } => {
            format!("{name} has the permission level {permission} already")
        }
        AdminAction::AddRole { role, .. } => format!("{name} has the role {role} already"),
        AdminAction::RemoveRole { role, .. } => format!("{name} does not have the role {role}"),
        AdminAction::ShowUser { .. } | AdminAction::Check => name.clone(),
    }
}

fn found(user: &UserState) -> String {
    let mut parts = vec![
        format!("email {}", user.email),
        format!("permission level {}", user.permission),
        format!("base profession {}", user.base_profession),
        roles(user),
        (if user.active { "active" } else { "inactive" }).to_owned(),
        format!("one-time codes {}", if user.totp_enabled { "on" } else { "off" }),
    ];
    if let Some(verified) = user.email_verified {
        parts.push((if verified { "email verified" } else { "email not verified" }).to_owned());
    }
    format!("user {}: {}", user.username, parts.join(", "))
}

fn roles(user: &UserState) -> String {
    match user.roles.as_slice() {
        [] => "no role".to_owned(),
        [one] => format!("role {one}"),
        many => format!("roles {}", many.join(" and ")),
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
        if database.email_verified_column { "August 2026 or later" } else { "March 2026" },
        known - database.missing_roles.len(),
    )
}
