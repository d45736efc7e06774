//! check: looks whether tasks could run here; changes nothing.

use quill_admin_contract::{DatabaseReport, ExitCode, Expected, Failure, KNOWN_ROLES, Outcome, Warning};

use super::{Work, roles};
use crate::failure::{ActionError, Failed};
use crate::sql;

/// The code of the warning that the database lacks roles of the application.
const ROLES_MISSING: &str = "roles_missing";

pub(super) async fn perform(work: &Work<'_>) -> Result<Outcome, ActionError> {
    let unknown = &work.schema.unknown_required;
    if !unknown.is_empty() {
        let message = format!(
            "the database needs a value in {}, which this image does not know: no user can be created",
            unknown.join(", ")
        );
        return Err(Failed { code: ExitCode::SchemaMismatch, failure: Failure::new(message) }.into());
    }
    let row = work.client.query_typed_one(sql::RIGHTS, &[]).await?;
    let (database, user, readable, writable): (String, String, bool, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    if !readable {
        let message =
            format!("the database refused: the user {user} may not read users, roles and user_role");
        return Err(Failed::new(ExitCode::DatabaseRefused, message).into());
    }
    let roles = roles::all(work).await?;
    let missing_roles: Vec<String> = KNOWN_ROLES
        .into_iter()
        .filter(|known| !roles.iter().any(|role| role == known))
        .map(str::to_owned)
        .collect();
    let mut warnings = Vec::new();
    if !missing_roles.is_empty() {
        let message = format!(
            "roles are missing: {}; the application puts them there when it starts",
            missing_roles.join(", ")
        );
        warnings.push(Warning::new(ROLES_MISSING, message));
    }
    let database = DatabaseReport {
        server_version: work.server_version.to_owned(),
        database,
        user,
        tls: work.schema.tls.clone(),
        writable,
        columns: if work.schema.email_verified { vec!["users.email_verified".to_owned()] } else { Vec::new() },
        expected: vec![Expected { code: ROLES_MISSING.to_owned(), found: roles, missing: missing_roles }],
    };
    Ok(Outcome::Checked { database, warnings })
}
